"""`python -m tests.bench [a b ...] [--json FILE] [--quick]`: measure, print a table, exit 1 when a bar is not met."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from pathlib import Path

from tests.bench.report import Row, table, write_json

#: Letter -> module with `measure(quick: bool) -> list[Row]`.
EXPERIMENTS = {
    "a": ("apply", "300 migrations applied, against psql and other tools"),
    "b": ("waiting", "a lock behind long readers: what the users feel"),
    "c": ("backfilling", "a million rows in batches under load"),
    "d": ("rehearsing", "a rehearsal as a ratio to applying"),
    "e": ("fingerprinting", "the fingerprint of 1,000 tables against pg_dump -s"),
    "f": ("killing", "what the kill tests counted"),
}


def main() -> int:
    """Run the experiments that were named, all by default."""
    options = _options()
    rows: list[Row] = []
    for letter in options.experiments or EXPERIMENTS:
        module, title = EXPERIMENTS[letter]
        print(f"{letter}: {title}", file=sys.stderr, flush=True)
        rows += _measured(letter, module, options.quick)
    print(table(rows))
    if options.json:
        write_json(rows, options.json)
    return 1 if any(row.met is False for row in rows) else 0


def _options() -> argparse.Namespace:
    lines = "\n".join(f"  {letter}  {title}" for letter, (_, title) in EXPERIMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", epilog=lines, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", nargs="*", choices=[*EXPERIMENTS, []], metavar="LETTER", help="default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repetitions")
    return parser.parse_args()


def _measured(letter: str, module: str, quick: bool) -> list[Row]:
    """The rows of one experiment. One that breaks is a row too, so that the others still run."""
    name = f"tests.bench.{module}"
    try:
        found: list[Row] = importlib.import_module(name).measure(quick)
    except ModuleNotFoundError as missing:
        if missing.name != name:
            raise
        return [Row(letter, module, None, note="there is no such experiment yet")]
    except Exception as error:
        traceback.print_exc()
        return [Row(letter, module, None, met=False, note=f"{type(error).__name__}: {error}"[:120])]
    return found


if __name__ == "__main__":
    sys.exit(main())
