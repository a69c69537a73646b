"""A finding: something in a file that a person should know or must repair. Findings are shown; refusals are raised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: From harmless to worst. `error` and `critical` block submission until they are waived with a reason.
SEVERITIES = ("note", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding at one place. `line` and `column` are 1-based; column counts characters, not bytes."""

    rule: str
    severity: str
    file: str
    line: int
    column: int
    message: str
    rewrite: str = ""
    basis: str = "predicted"  # or "observed": a rehearsal saw it

    @property
    def blocks(self) -> bool:
        """Whether submission waits until this is repaired or waived."""
        return self.severity in ("error", "critical")

    @property
    def place(self) -> str:
        """File, line and column the way compilers write them, so that editors can jump there."""
        return f"{self.file}:{self.line}:{self.column}"

    def to_json(self) -> dict[str, Any]:
        """Plain values: rule, severity, file, line, column, message, rewrite, basis."""
        return asdict(self)
