"""Where a target's connection string is kept: we store a reference, never the string."""

from __future__ import annotations

import os
import re
from pathlib import Path

from changecontrol.rules.refusal import Refused


class ReferenceWithoutScheme(Refused):
    """A target's reference must start with env:, file: or service:, such as "env:PRODUCTION_DSN". Connection strings
    themselves are not stored."""


class ReferenceMissing(Refused):
    """The reference {reference} points to nothing on this worker. Set the variable or put the file in place, then
    restart the worker."""


class ReferenceUnreadable(Refused):
    """The file behind {reference} cannot be read by this worker ({reason}). Correct its permissions."""


def resolve(reference: str) -> str:
    """Give the connection string behind `env:NAME`, `file:/path` or `service:name`.

    The refusals name the reference, never what it points to; a text of another form is not repeated at all,
    because it may be a connection string pasted by mistake.
    """
    scheme, _, rest = reference.strip().partition(":")
    if scheme == "env" and re.fullmatch(r"[A-Za-z_]\w*", rest):
        found = os.environ.get(rest, "")
    elif scheme == "file" and rest.startswith("/"):
        found = _content(reference, Path(rest))
    elif scheme == "service" and re.fullmatch(r"[\w.-]+", rest):
        found = f"service={rest}"
    else:
        raise ReferenceWithoutScheme()
    if not found.strip():
        raise ReferenceMissing(reference=reference)
    return found.strip()


def _content(reference: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReferenceMissing(reference=reference) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ReferenceUnreadable(reference=reference, reason=reason) from None
