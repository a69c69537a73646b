"""The shape of PL/pgSQL code, read from its words: blocks, branches, loops and the statements in them.

Only as much grammar as is needed to put code into words; what does not fit is refused whole, never guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from changecontrol.rules.lexer import Token, significant

#: Blocks, branches and loops inside one another.
_DEPTH = 40


class Unreadable(Exception):
    """The code does not have the shape that PL/pgSQL has."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One way through an IF, CASE or block: its condition (empty for ELSE) and what is done."""

    condition: str
    body: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement: `sql`, `assign`, `raise`, `return`, `execute`, `perform`, `assert`, `get`, `open`, `cursor`,
    `nothing`, `leave`, `next`, `if`, `case`, `loop` or `block`. `text` is its code without the leading word; for a loop
    its head, for a block nothing.
    """

    kind: str
    text: str = ""
    body: tuple[Piece, ...] = ()
    branches: tuple[Branch, ...] = field(default=())


def read(code: str) -> tuple[Piece, ...] | None:
    """Read a function's or DO block's body; None when it is not understood."""
    try:
        reader = _Reader(code)
        found = reader.block()
        reader.skip(";")
        return found if reader.done else None
    except Unreadable:
        return None


class _Reader:
    def __init__(self, code: str) -> None:
        self.data = code.encode("utf-8")
        self.tokens: list[Token] = significant(self.data)
        self.at = 0
        self.depth = 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.tokens)

    def word(self, ahead: int = 0) -> str:
        """The bare word here, or the sign; empty at the end."""
        if self.at + ahead >= len(self.tokens):
            return ""
        token = self.tokens[self.at + ahead]
        return token.word or token.text.decode("utf-8", "replace")

    def skip(self, *words: str) -> bool:
        if self.word() in words:
            self.at += 1
            return True
        return False

    def take(self, *words: str) -> None:
        for word in words:
            if not self.skip(word):
                raise Unreadable(word)

    def until(self, *words: str) -> str:
        """The text up to one of these words outside of parentheses and CASE … END; the word is left standing."""
        begin, parentheses, cases = self.at, 0, 0
        while not self.done:
            word = self.word()
            if not parentheses and not cases and word in words:
                break
            parentheses += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word, 0)
            cases += {"CASE": 1, "END": -1 if cases else 0}.get(word, 0)
            self.at += 1
        else:
            raise Unreadable(words[0])
        if self.at == begin:
            return ""
        return self.data[self.tokens[begin].start : self.tokens[self.at - 1].end].decode("utf-8")

    def label(self) -> None:
        if self.skip("<<"):
            self.until(">>")
            self.take(">>")

    def block(self) -> tuple[Piece, ...]:
        """[DECLARE …] BEGIN … [EXCEPTION …] END."""
        self.label()
        found = list(self._declared()) if self.skip("DECLARE") else []
        self.take("BEGIN")
        found += self.body("EXCEPTION", "END")
        caught = []
        if self.skip("EXCEPTION"):
            while self.skip("WHEN"):
                condition = self.until("THEN")
                self.take("THEN")
                caught.append(Branch(condition, self.body("WHEN", "END")))
        self.take("END")
        if self.word() not in (";", ""):
            self.at += 1  # the block's label
        return (Piece("block", "", tuple(found), tuple(caught)),) if caught else tuple(found)

    def _declared(self) -> list[Piece]:
        found = []
        while self.word() != "BEGIN":
            if self.done:
                raise Unreadable("BEGIN")
            text = self.until(";")
            self.take(";")
            tokens = significant(text.encode("utf-8"))
            if any(token.word == "CURSOR" for token in tokens):
                found.append(Piece("cursor", text))
            elif any(token.text in (b":=", b"=", b":") or token.word == "DEFAULT" for token in tokens):
                found.append(Piece("assign", text))
        return found

    def body(self, *ends: str) -> tuple[Piece, ...]:
        self.depth += 1
        if self.depth > _DEPTH:
            raise Unreadable("depth")
        found: list[Piece] = []
        while self.word() not in ends:
            if self.done:
                raise Unreadable(ends[0])
            if not self.skip(";"):
                found += self.one()
        self.depth -= 1
        return tuple(found)

    def one(self) -> tuple[Piece, ...]:
        self.label()
        word = self.word()
        if word in ("DECLARE", "BEGIN"):
            return self.block()
        if word == "IF":
            return (self._if(),)
        if word == "CASE":
            return (self._case(),)
        if word in ("LOOP", "WHILE", "FOR", "FOREACH"):
            return (self._loop(),)
        return (self._plain(word),)

    def _if(self) -> Piece:
        branches = []
        while self.skip("IF", "ELSIF", "ELSEIF"):
            condition = self.until("THEN")
            self.take("THEN")
            branches.append(Branch(condition, self.body("ELSIF", "ELSEIF", "ELSE", "END")))
        if self.skip("ELSE"):
            branches.append(Branch("", self.body("END")))
        self.take("END", "IF", ";")
        return Piece("if", branches=tuple(branches))

    def _case(self) -> Piece:
        self.take("CASE")
        of = self.until("WHEN")
        branches = []
        while self.skip("WHEN"):
            condition = self.until("THEN")
            self.take("THEN")
            branches.append(Branch(condition, self.body("WHEN", "ELSE", "END")))
        if self.skip("ELSE"):
            branches.append(Branch("", self.body("END")))
        self.take("END", "CASE", ";")
        return Piece("case", of, branches=tuple(branches))

    def _loop(self) -> Piece:
        head = self.until("LOOP")
        self.take("LOOP")
        body = self.body("END")
        self.take("END", "LOOP")
        if self.word() != ";":
            self.at += 1  # the loop's label
        self.take(";")
        return Piece("loop", head, body)

    def _plain(self, word: str) -> Piece:
        kind = _KINDS.get(word, "")
        if kind:
            self.at += 1
            text = self.until(";")
        else:
            is_assignment = self._assigns()
            text, kind = self.until(";"), "assign" if is_assignment else "sql"
        self.take(";")
        return Piece(kind, text)

    def _assigns(self) -> bool:
        """Whether a statement begins like `name.field[1] :=` or `name =`."""
        ahead, brackets = 1, 0
        while self.at + ahead < len(self.tokens):
            word = self.word(ahead)
            brackets += {"[": 1, "]": -1}.get(word, 0)
            if not brackets and word in (":=", "=", ":"):
                return True
            if not brackets and word not in (".", "]") and self.word(ahead - 1) != ".":
                return False
            ahead += 1
        return False


_KINDS = {
    "ASSERT": "assert",
    "CONTINUE": "next",
    "EXECUTE": "execute",
    "EXIT": "leave",
    "GET": "get",
    "NULL": "nothing",
    "OPEN": "open",
    "PERFORM": "perform",
    "RAISE": "raise",
    "RETURN": "return",
}
