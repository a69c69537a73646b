"""Canonical JSON and digests: the same values give the same bytes, on every machine and in every Python."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Part of every script digest. It changes when the digest covers other things than before.
SCRIPT_SCHEMA = 1


class NotCanonical(TypeError):
    """A value that has no single spelling in JSON. A mistake in the program, never a person's."""


def canonical(value: Any) -> bytes:
    """Give JSON in UTF-8 with sorted keys and without spaces.

    Takes None, bool, int, str, lists or tuples, and mappings with str keys. Raises NotCanonical for everything else:
    floats and NaN (they round), datetimes (write them as text with their zone first), bytes, sets.
    """
    if not _is_canonical(value):
        _check(value, "value")  # raises, and says where
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def _is_canonical(value: Any) -> bool:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return True
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, list | tuple):
        return all(map(_is_canonical, value))
    if isinstance(value, dict):
        return all(type(key) is str for key in value) and all(map(_is_canonical, (*value, *value.values())))
    return False


def _check(value: Any, path: str) -> None:
    if value is None or type(value) in (bool, int):
        return
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise NotCanonical(f"{path} holds half a character") from None
        return
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check(item, f"{path}[{number}]")
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise NotCanonical(f"{path} has the key {key!r}, which is no text")
            _check(key, f"{path} key")
            _check(item, f"{path}.{key}")
        return
    raise NotCanonical(f"{path} is a {type(value).__name__}")


def digest(data: bytes) -> str:
    """Give the SHA-256 of the bytes as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def script_digest(
    forward: bytes,
    rollback: bytes | None,
    verify: bytes | None,
    sources: Mapping[str, bytes],
    plans: Mapping[str, Mapping[str, Any]],
) -> str:
    """Give the digest that binds a revision: the exact bytes of its files, its included files and its parsed steps.

    `plans` maps "forward", "rollback" and "verify" to `script.to_json`, for the files that exist. Findings are left
    out: a better linter must not make signed text look changed. A missing file and an empty one differ.
    """
    return digest(
        canonical(
            {
                "kind": "changecontrol script",
                "schema": SCRIPT_SCHEMA,
                "forward": digest(forward),
                "rollback": None if rollback is None else digest(rollback),
                "verify": None if verify is None else digest(verify),
                "sources": {name: digest(data) for name, data in sources.items()},
                "plans": {name: _steps_of(plan) for name, plan in plans.items()},
            }
        )
    )


def _steps_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plan.items() if name != "findings"}
