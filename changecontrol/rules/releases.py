"""Releases of the application that a migration waits for: `app >= 4.2.0`, and whether a version is new enough."""

from __future__ import annotations

import re
from dataclasses import dataclass

from changecontrol.rules.refusal import Refused

_APPLICATION = r"[A-Za-z][A-Za-z0-9_.-]{0,59}"
_VERSION = r"[vV]?\d{1,9}(?:\.\d{1,9}){0,5}"
_ONE = re.compile(rf"({_APPLICATION})\s*>=\s*({_VERSION})")


class BadApplication(Refused):
    """“{application}” is no name of an application. Write it as the header does, for example app."""


class BadVersion(Refused):
    """“{version}” is no release that can be compared. Write numbers with dots between them, for example 4.2.0."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """An application and the oldest release of it that will do."""

    application: str
    version: str

    def __str__(self) -> str:
        return f"{self.application} >= {self.version}"

    def met_by(self, version: str) -> bool:
        """Whether `version` is new enough; one that cannot be compared is not."""
        given = _numbers(version)
        return given is not None and given >= (_numbers(self.version) or (0,))


def parse(text: str) -> tuple[Requirement, ...] | None:
    """Read `app >= 4.2, api >= 3`; None for text of another form."""
    found = [_ONE.fullmatch(part.strip()) for part in text.rstrip(". ").split(",")]
    if not all(found):
        return None
    return tuple(Requirement(one.group(1), one.group(2).lstrip("vV")) for one in found if one)


def check(application: str, version: str) -> Requirement:
    """Return the two as they are compared. Raises BadApplication or BadVersion."""
    if not re.fullmatch(_APPLICATION, application.strip()):
        raise BadApplication(application=application)
    if not re.fullmatch(_VERSION, version.strip()):
        raise BadVersion(version=version)
    return Requirement(application.strip(), version.strip().lstrip("vV"))


def _numbers(version: str) -> tuple[int, ...] | None:
    """4.2 and 4.2.0 are the same release: zeros at the end do not count."""
    if not re.fullmatch(_VERSION, version):
        return None
    numbers = [int(part) for part in version.lstrip("vV").split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
