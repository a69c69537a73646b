r"""psql's backslash commands: \i and \ir of a file in the repository are followed, every other one is refused."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from changecontrol.rules.lexer import Token, TokenKind, tokens
from changecontrol.rules.text import RefusedAt, Text

#: Files within files within files: more than this is a mistake.
NESTING = 8


class PsqlCommand(RefusedAt):
    """{place}: {command} is a command of psql, not SQL, and would not run here. {advice}"""


class IncludeUnreadable(RefusedAt):
    r"""{place}: {command} needs one file name, plain or in single quotes. Write, for example: \ir sources/audit.sql"""


class IncludeOutside(RefusedAt):
    """{place}: {path} is not inside the migrations repository. Copy the file into it and name it from there."""


class IncludeMissing(RefusedAt):
    """{place}: the included file {path} does not exist in the migrations repository. Add it, or correct the name."""


class IncludeCircle(RefusedAt):
    """{place}: {path} includes itself, directly or through another file. Break the circle."""


class IncludeTooDeep(RefusedAt):
    """{place}: files are included more than {limit} levels deep. Put the SQL into fewer files."""


class IncludeInsideStatement(RefusedAt):
    """{place}: the statement before {command} has no semicolon yet. End it before another file is included."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of one file's bytes without psql commands; `tokens` are its tokens and comments, without white space."""

    text: Text
    start: int
    end: int
    tokens: list[Token] = field(default_factory=list)

    @property
    def significant(self) -> list[Token]:
        """The tokens the server's parser would see."""
        return [token for token in self.tokens if token.kind is not TokenKind.COMMENT]


@dataclass(frozen=True, slots=True)
class _Include:
    command: str
    path: str
    offset: int
    end: int


_COMMAND = re.compile(rb"\\([A-Za-z_]+|.?)[ \t]*([^\r\n]*)", re.DOTALL)
_ARGUMENT = re.compile(r"'([^'\\:`]+)'|([^\s'\"\\:`]+)")
_ADVICE = {
    "copy": "Load data with INSERT statements, or outside of a migration.",
    ".": "Data behind COPY … FROM stdin is no SQL: load it with INSERT statements, or outside of a migration.",
    "!": "A migration never starts programs.",
    "connect": "A migration runs on the one target that was authorized.",
    "c": "A migration runs on the one target that was authorized.",
    "set": "Write the value itself into the script.",
    "gexec": "Put the loop into a DO block, where it can be reviewed.",
    "gset": "Put the query into a DO block, where its result can be used.",
    "if": "Put the condition into a DO block, or write two migrations.",
    "echo": "Remove it; RAISE NOTICE in a DO block shows a message.",
}


def chunks(text: Text, sources: Mapping[str, bytes], *, above: tuple[str, ...] = ()) -> list[Chunk]:
    """Cut a file at its includes and put the included files in between, in the order in which psql would run them.

    `sources` maps repository paths to bytes. Raises the refusals of this module, and those of Text for a source.
    """
    found: list[Chunk] = []
    for part in _cut(text):
        if isinstance(part, Chunk):
            found.append(part)
            continue
        if part.path == text.file or part.path in above:
            raise IncludeCircle(text, part.offset, path=part.path)
        if len(above) + 1 >= NESTING:
            raise IncludeTooDeep(text, part.offset, limit=NESTING)
        if part.path not in sources:
            raise IncludeMissing(text, part.offset, path=part.path)
        found += chunks(Text(part.path, sources[part.path]), sources, above=(*above, text.file))
    return found


def needed(data: bytes, *, file: str) -> tuple[str, ...]:
    """Name the files that this one includes directly, as repository paths. Raises the refusals of this module."""
    if b"\\" not in data:
        return ()
    return tuple(dict.fromkeys(part.path for part in _cut(Text(file, data)) if isinstance(part, _Include)))


def _cut(text: Text) -> list[Chunk | _Include]:
    parts: list[Chunk | _Include] = []
    start = text.start
    while True:
        chunk, command = _until_command(text, start)
        parts.append(chunk)
        if command is None:
            return parts
        significant = chunk.significant
        if significant and significant[-1].text != b";":
            raise IncludeInsideStatement(text, command.offset, command=command.command)
        parts.append(command)
        start = command.end


def _until_command(text: Text, start: int) -> tuple[Chunk, _Include | None]:
    seen: list[Token] = []
    for token in tokens(text.data, start):
        if token.kind is TokenKind.BACKSLASH:
            return Chunk(text, start, token.start, seen), _include(text, token.start)
        if token.kind is not TokenKind.SPACE:
            seen.append(token)
    return Chunk(text, start, len(text.data), seen), None


def _include(text: Text, offset: int) -> _Include:
    found = _COMMAND.match(text.data, offset)
    assert found is not None
    name = found.group(1).decode("utf-8", "replace")
    command = f"\\{name}"
    if name not in ("i", "ir", "include", "include_relative"):
        raise PsqlCommand(text, offset, command=command, advice=_ADVICE.get(name, "Remove it."))
    argument = _ARGUMENT.fullmatch(found.group(2).decode("utf-8").strip())
    if argument is None:
        raise IncludeUnreadable(text, offset, command=command)
    written = argument.group(1) or argument.group(2)
    folder = posixpath.dirname(text.file) if name in ("ir", "include_relative") else ""
    path = posixpath.normpath(posixpath.join(folder, written))
    if posixpath.isabs(path) or path == "." or path.split("/")[0] in ("..", "~", ".git"):
        raise IncludeOutside(text, offset, path=written)
    return _Include(command, path, offset, found.end())
