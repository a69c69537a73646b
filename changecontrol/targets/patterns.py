"""Texts that match a simple regular expression: literals, classes, groups, alternatives, repetition."""

from __future__ import annotations

import string

_CLASSES = {"d": string.digits, "w": string.ascii_lowercase + string.digits, "s": " "}
_NAMED = {
    "digit": string.digits,
    "alpha": string.ascii_lowercase,
    "alnum": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "xdigit": string.digits + "abcdef",
    "space": " ",
}
_ANY = string.ascii_lowercase + string.digits


class NotSimple(ValueError):
    """The expression uses something that is not understood here."""


def matching(pattern: str, number: int) -> str:
    """A text that matches; other numbers give other texts where the expression leaves room. Raises NotSimple."""
    maker = _Maker(pattern, number)
    text = maker.alternatives()
    if maker.place < len(pattern):
        raise NotSimple(pattern)
    return text


class _Maker:
    """Reads the expression once and writes a match meanwhile; `number` is spent digit by digit on its choices."""

    def __init__(self, pattern: str, number: int) -> None:
        self.pattern, self.place, self.number = pattern, 0, number

    def alternatives(self) -> str:
        found = [self.sequence()]
        while self._next("|"):
            found.append(self.sequence())
        return found[self.number % len(found)]

    def sequence(self) -> str:
        text = ""
        while self.place < len(self.pattern) and self.pattern[self.place] not in "|)":
            start = self.place
            piece = self._piece()
            least, most = self._repeats()
            text += piece if least else ""
            wanted = max(least, min(most, 4 if most > 1 else 1))
            for _ in range(wanted - (1 if least else 0)):
                behind, self.place = self.place, start
                text += self._piece()
                self.place = behind
        return text

    def _piece(self) -> str:
        sign = self.pattern[self.place]
        self.place += 1
        match sign:
            case "^" | "$":
                return ""
            case ".":
                return self._one(_ANY)
            case "(":
                if self._next("?") and not self._next(":"):
                    raise NotSimple(self.pattern)
                text = self.alternatives()
                if not self._next(")"):
                    raise NotSimple(self.pattern)
                return text
            case "[":
                return self._one(self._class())
            case "\\":
                return self._escaped()
            case "*" | "+" | "?" | "{":
                raise NotSimple(self.pattern)
        return sign

    def _escaped(self) -> str:
        if self.place >= len(self.pattern):
            raise NotSimple(self.pattern)
        sign = self.pattern[self.place]
        self.place += 1
        if sign in _CLASSES:
            return self._one(_CLASSES[sign])
        if sign in "mMyAZ":
            return ""
        if sign.isalnum():
            raise NotSimple(self.pattern)
        return sign

    def _class(self) -> str:
        none_of, signs = self._next("^"), ""
        while not self._next("]") or not signs:
            if self.place >= len(self.pattern):
                raise NotSimple(self.pattern)
            if self.pattern.startswith("[:", self.place):
                end = self.pattern.find(":]", self.place)
                signs += _NAMED.get(self.pattern[self.place + 2 : end], "")
                self.place = end + 2
            elif self.pattern[self.place] == "\\" and self.pattern[self.place + 1 : self.place + 2] in _CLASSES:
                signs += _CLASSES[self.pattern[self.place + 1]]
                self.place += 2
            else:
                signs += self._range()
        if none_of:
            signs = "".join(sign for sign in _ANY + string.ascii_uppercase + "-_ " if sign not in signs)
        if not signs:
            raise NotSimple(self.pattern)
        return signs

    def _range(self) -> str:
        self.place += self.pattern[self.place] == "\\"
        first = self.pattern[self.place]
        self.place += 1
        last = self.pattern[self.place + 1 : self.place + 2]
        if self.pattern[self.place : self.place + 1] == "-" and last and last != "]":
            self.place += 2
            return "".join(chr(code) for code in range(ord(first), ord(last) + 1))
        return first

    def _repeats(self) -> tuple[int, int]:
        if self._next("*"):
            found = (0, 4)
        elif self._next("+"):
            found = (1, 4)
        elif self._next("?"):
            found = (0, 1)
        elif self._next("{"):
            end = self.pattern.find("}", self.place)
            least, comma, most = self.pattern[self.place : end].partition(",")
            if end < 0 or not least.isdigit():
                raise NotSimple(self.pattern)
            self.place = end + 1
            found = (int(least), int(most) if most else int(least) + 2 if comma else int(least))
        else:
            return 1, 1
        self._next("?")
        return found

    def _one(self, signs: str) -> str:
        self.number, place = divmod(self.number, len(signs))
        return signs[place]

    def _next(self, sign: str) -> bool:
        found = self.pattern.startswith(sign, self.place)
        self.place += len(sign) if found else 0
        return found
