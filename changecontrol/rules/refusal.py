"""Refused: the base of every expected "no"."""

from __future__ import annotations

import inspect
from typing import Any


class Refused(Exception):
    """This is not possible."""

    #: Every subclass is three lines: its docstring is the sentence that the page, the command line and the test show.
    #: The docstring is a format template; the keyword arguments of the raise fill it and stay readable in `details`.

    def __init__(self, **details: Any) -> None:
        self.details = details
        template = " ".join((inspect.getdoc(type(self)) or "").split())
        super().__init__(template.format(**details))

    @property
    def sentence(self) -> str:
        """The whole sentence shown to the person: what is wrong and what to do next."""
        return str(self)
