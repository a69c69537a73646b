"""The bytes of one file and the places in them. Offsets are bytes; lines and columns are what a person counts."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from changecontrol.rules.refusal import Refused

BOM = b"\xef\xbb\xbf"
#: Bytes. Larger files are data loads, which belong to a batched step or to a tool of their own.
LIMIT = 1024 * 1024


class TooLarge(Refused):
    """{file} has {size} bytes; a script may have {limit} at most. Split it, or fill tables with batched steps."""


class NulByte(Refused):
    """{file}, line {line}: byte {offset} is a NUL, which PostgreSQL cannot store. Save the file as UTF-8 text."""


class NotUtf8(Refused):
    """{file}, line {line}: byte {offset} is not UTF-8{guess}. Save the file as UTF-8 and take it again."""


class RefusedAt(Refused):
    """{place}: this is not possible here."""

    #: `details` always holds file, line, column (1-based; column in characters), place (all three in words) and
    #: excerpt (the line with a caret under the column).

    def __init__(self, text: Text, offset: int, **details: Any) -> None:
        place = text.place(offset)
        super().__init__(
            file=place.file,
            line=place.line,
            column=place.column,
            place=f"{place.file}, line {place.line}, column {place.column}",
            excerpt=text.excerpt(offset),
            **details,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person finds something: 1-based line, 1-based column in characters."""

    file: str
    line: int
    column: int


class Text:
    """The exact bytes of one file, valid UTF-8 without NUL. Raises TooLarge, NulByte or NotUtf8 for others."""

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.data = data
        if len(data) > LIMIT:
            raise TooLarge(file=file, size=len(data), limit=LIMIT)
        self._check_encoding()
        self._lines = [0]
        at = data.find(b"\n")
        while at >= 0:
            self._lines.append(at + 1)
            at = data.find(b"\n", at + 1)

    def _check_encoding(self) -> None:
        try:
            self.data.decode("utf-8")
        except UnicodeDecodeError as error:
            guess = " (it looks like UTF-16)" if self.data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
            line = self.data.count(b"\n", 0, error.start) + 1
            raise NotUtf8(file=self.file, line=line, offset=error.start, guess=guess) from None
        nul = self.data.find(b"\0")
        if nul >= 0:
            raise NulByte(file=self.file, line=self.data.count(b"\n", 0, nul) + 1, offset=nul)

    @property
    def start(self) -> int:
        """The offset behind a byte order mark, which psql skips as well."""
        return len(BOM) if self.data.startswith(BOM) else 0

    def place(self, offset: int) -> Place:
        """Give the line and column of a byte offset."""
        line = bisect_right(self._lines, offset)
        begin = self._lines[line - 1] if line > 1 else self.start
        return Place(self.file, line, len(self.data[begin:offset].decode("utf-8", "replace")) + 1)

    def line(self, number: int) -> str:
        """Give one line, 1-based, without its line end."""
        begin = self._lines[number - 1] if number > 1 else self.start
        end = self._lines[number] if number < len(self._lines) else len(self.data)
        return self.data[begin:end].decode("utf-8", "replace").rstrip("\r\n")

    def excerpt(self, offset: int, width: int = 100) -> str:
        """Give the line around an offset and, below it, a caret under the column."""
        place = self.place(offset)
        line = self.line(place.line).replace("\t", " ")
        skipped = max(0, place.column - 1 - width // 2)
        shown = line[skipped : skipped + width]
        return f"{shown}\n{' ' * (place.column - 1 - skipped)}^"
