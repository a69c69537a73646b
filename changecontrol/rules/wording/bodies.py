"""Code in words: what the body of a DO block or function does, statement by statement, as far as it can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from changecontrol.rules import parser, plpgsql
from changecontrol.rules.deeds import reads_only
from changecontrol.rules.lexer import TokenKind, significant
from changecontrol.rules.plpgsql import Branch, Piece
from changecontrol.rules.wording.queries import query
from changecontrol.rules.wording.words import Sentence, name, quoted
from changecontrol.rules.wording.written import shown

#: From one SQL statement inside code to its sentence.
Say = Callable[[Any], Sentence]

_RANK = ("access", "data", "schema", "index", "other")


@dataclass(frozen=True, slots=True)
class Told:
    """Code in words. `understood` is false where a part of it could not be read."""

    text: str
    kind: str
    understood: bool


class Teller:
    """Puts code into words; `say` puts one SQL statement into words."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._kinds = {"other"}
        self._understood = True

    def block(self, code: str) -> Told | None:
        """PL/pgSQL; None when its shape is not understood."""
        pieces = plpgsql.read(code)
        return self._told(self._all(pieces)) if pieces is not None else None

    def statements(self, nodes: Sequence[Any]) -> Told:
        """Plain SQL statements, as in the body of an SQL function."""
        return self._told(" ".join(self._sentence(node) for node in nodes))

    def _told(self, text: str) -> Told:
        kind = next(each for each in _RANK if each in self._kinds)
        return Told(text or "It does nothing.", kind, self._understood)

    def _all(self, pieces: Sequence[Piece]) -> str:
        return " ".join(text for text in map(self._one, pieces) if text)

    def _one(self, piece: Piece) -> str:
        words: Callable[[Piece], str] = getattr(self, f"_{piece.kind}")
        return words(piece)

    def _sentence(self, node: Any) -> str:
        said = self._say(node)
        self._kinds.add(said.kind)
        self._understood = self._understood and said.understood
        return said.text

    def _unread(self, text: str) -> str:
        self._understood = False
        return f"Does something that cannot be put in words: {shown(text)}."

    def _sql(self, piece: Piece) -> str:
        node = parser.parse_one(_without_into(piece.text))
        if node is None:
            return self._unread(piece.text)
        return self._sentence(node)

    def _assign(self, piece: Piece) -> str:
        target, _sign, value = _split(piece.text)
        return f"Sets {shown(target)} to {shown(value)}." if value else self._unread(piece.text)

    def _perform(self, piece: Piece) -> str:
        node = parser.parse_one(f"SELECT {piece.text}")
        return self._sentence(node) if node is not None else self._unread(piece.text)

    def _raise(self, piece: Piece) -> str:
        level, message = _raised(piece.text)
        if not piece.text:
            return "Stops with the error that was caught."
        if level == "EXCEPTION":
            return f"Stops with the error {message}."
        return f"Says {message}." if level in ("NOTICE", "WARNING", "INFO") else f"Writes {message} to the log."

    def _return(self, piece: Piece) -> str:
        first, _space, rest = piece.text.partition(" ")
        if first.upper() == "QUERY":
            if rest.lstrip().upper().startswith("EXECUTE"):
                return self._execute(Piece("execute", rest.lstrip()[len("EXECUTE") :]))
            node = parser.parse_one(rest)
            return f"Gives back {query(node)}." if node is not None else self._unread(piece.text)
        if first.upper() == "NEXT":
            return f"Gives back {shown(rest)}."
        return f"Ends and gives back {shown(piece.text)}." if piece.text else "Ends."

    def _execute(self, piece: Piece) -> str:
        literal = _literal(piece.text)
        node = parser.parse_one(literal) if literal else None
        if node is not None:
            return self._sentence(node)
        self._understood = False
        self._kinds.add("data")
        return f"Runs SQL that it puts together itself, from {shown(piece.text)}; what that does is known only then."

    def _assert(self, piece: Piece) -> str:
        return f"Stops with an error unless {shown(piece.text)}."

    def _get(self, piece: Piece) -> str:
        return f"Notes how the last statement went ({shown(piece.text.split(None, 1)[-1])})."

    def _open(self, piece: Piece) -> str:
        cursor, _for, text = piece.text.partition(" FOR ")
        node = parser.parse_one(text) if text else None
        if node is None:
            return f"Opens the cursor {shown(cursor)}."
        return f"Opens the cursor {shown(cursor)} for reading {query(node)}."

    def _nothing(self, piece: Piece) -> str:
        return "Does nothing."

    def _leave(self, piece: Piece) -> str:
        return f"Leaves the repetition{_when(piece.text)}."

    def _next(self, piece: Piece) -> str:
        return f"Goes on with the next one{_when(piece.text)}."

    def _cursor(self, piece: Piece) -> str:
        found = re.match(r"(?P<name>\S+)\s.*?\b(?:FOR|IS)\s+(?P<query>.+)", piece.text, re.IGNORECASE | re.DOTALL)
        node = parser.parse_one(found["query"]) if found else None
        if found is None or node is None:
            return self._unread(piece.text)
        return f"Prepares the cursor {name(found['name'])} for reading {query(node)}."

    def _if(self, piece: Piece) -> str:
        return self._branches(piece.branches, "If {}")

    def _case(self, piece: Piece) -> str:
        of = f"If {shown(piece.text)} is {{}}" if piece.text else "If {}"
        return self._branches(piece.branches, of)

    def _branches(self, branches: Sequence[Branch], words: str) -> str:
        said = []
        for number, branch in enumerate(branches):
            head = words.format(shown(branch.condition)) if branch.condition else "Otherwise"
            node = parser.parse_one(f"SELECT {branch.condition}") if branch.condition else None
            if node is not None and not reads_only(node):
                self._kinds.add("data")
            head = head if not number or head == "Otherwise" else f"Otherwise, {head[0].lower()}{head[1:]}"
            said.append(f"{head}: [{self._all(branch.body) or 'Does nothing.'}]")
        return " ".join(said)

    def _loop(self, piece: Piece) -> str:
        return f"{self._each(piece.text)}: [{self._all(piece.body)}]"

    def _each(self, head: str) -> str:
        found = re.match(r"FOR\s+(?P<what>.+?)\s+IN\s+(?P<how>.+)", head, re.IGNORECASE | re.DOTALL)
        if found:
            node = parser.parse_one(found["how"])
            if node is not None and parser.kind_of(node) == "SelectStmt":
                said = self._say(node)
                self._kinds.add(said.kind)
                return f"For each row ({name(found['what'])}) of {query(node)}"
            if ".." in found["how"]:
                return f"For each number ({name(found['what'])}) in {shown(found['how'])}"
            self._understood = False
            return f"For each {name(found['what'])} of {shown(found['how'])}"
        if head.upper().startswith("WHILE"):
            return f"Again and again while {shown(head[5:])}"
        found = re.match(r"FOREACH\s+(?P<what>.+?)\s+IN\s+(?P<how>.+)", head, re.IGNORECASE | re.DOTALL)
        if found:
            return f"For each element ({name(found['what'])}) of {shown(found['how'].removeprefix('ARRAY').strip())}"
        return "Again and again"

    def _block(self, piece: Piece) -> str:
        said = [f"Tries: [{self._all(piece.body)}]"]
        for branch in piece.branches:
            done = self._all(branch.body) or "Does nothing."
            said.append(f"If that fails ({shown(branch.condition)}), undoes it and: [{done}]")
        return " ".join(said)


def _when(text: str) -> str:
    """Give the condition of EXIT and CONTINUE."""
    found = re.search(r"\bWHEN\b(.+)", text, re.IGNORECASE | re.DOTALL)
    return f" if {shown(found[1])}" if found else ""


def _split(text: str) -> tuple[str, str, str]:
    """Split an assignment or a declaration at its sign."""
    data = text.encode("utf-8")
    for token in significant(data):
        if token.text in (b":=", b"=", b":") or token.word == "DEFAULT":
            end = token.end + 1 if token.text == b":" else token.end
            return data[: token.start].decode().strip(), token.text.decode(), data[end:].decode().strip()
    return text, "", ""


def _without_into(text: str) -> str:
    """Take `INTO [STRICT] a, b.c` out of a statement, which PL/pgSQL reads itself; INSERT INTO and MERGE INTO stay."""
    data = text.encode("utf-8")
    tokens = significant(data)
    for at, token in enumerate(tokens):
        if token.word != "INTO" or not at or tokens[at - 1].word in ("INSERT", "MERGE"):
            continue
        end = at + 1
        end += end < len(tokens) and tokens[end].word == "STRICT"
        while end < len(tokens):
            end += 1  # a name
            if end < len(tokens) and tokens[end].text in (b".", b","):
                end += 1
                continue
            break
        return (data[: token.start] + b" " + data[tokens[end - 1].end :]).decode("utf-8")
    return text


def _raised(text: str) -> tuple[str, str]:
    """Give the level of a RAISE and what it says."""
    tokens = significant(text.encode("utf-8"))
    levels = ("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "EXCEPTION")
    level = tokens[0].word if tokens and tokens[0].word in levels else "EXCEPTION"
    message = next((token.text for token in tokens if token.kind in (TokenKind.STRING, TokenKind.DOLLAR)), b"")
    said = message.decode("utf-8").strip("'").replace("''", "'") or text
    return level, quoted(said)


def _literal(text: str) -> str:
    """Give the SQL of an EXECUTE whose text is one plain string, without INTO and USING."""
    tokens = significant(text.encode("utf-8"))
    if not tokens or (len(tokens) > 1 and tokens[1].word not in ("INTO", "USING")):
        return ""
    node = parser.parse_one(f"SELECT {tokens[0].text.decode('utf-8')}")
    if node is None or tokens[0].kind not in (TokenKind.STRING, TokenKind.DOLLAR):
        return ""
    return str(parser.unwrap(parser.unwrap(node.target_list[0]).val).sval.sval)
