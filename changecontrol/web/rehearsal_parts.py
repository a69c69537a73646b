"""A certificate as the Rehearsal tab draws it: verdict, three bars, locks, schema, data, what the copy was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from changecontrol.rules import extrapolation, figures
from changecontrol.rules.certificate import Verdict
from changecontrol.rules.observed import BLOCKS_WRITERS, STRENGTH, Observed
from changecontrol.web import saying
from changecontrol.web.certificates import listing, mapping, milliseconds, number, sizes, text, texts, whole

#: how a verdict is headed, and its icon; the certificate's own sentence follows
HEADINGS = {
    Verdict.EXACT: ("The way back is exact", "circle-check"),
    Verdict.ORDER_ONLY: ("The way back differs in order or spelling only", "circle-check"),
    Verdict.DIFFERS: ("The rollback does not give the schema back", "arrows-diff"),
    Verdict.ROLLBACK_FAILED: ("The rollback fails", "circle-x"),
    Verdict.REAPPLY_FAILED: ("Forward cannot be run again after the rollback", "circle-x"),
    Verdict.REAPPLY_DIFFERS: ("Forward again gives another schema", "arrows-diff"),
    Verdict.EMPTY_ROLLBACK: ("The rollback script does nothing", "alert-triangle"),
    Verdict.NO_ROLLBACK: ("There is no rollback script", "alert-triangle"),
    Verdict.FORWARD_FAILED: ("Forward fails", "circle-x"),
    Verdict.REFUSED: ("The script is refused", "ban"),
}
WORDS = {verdict.value: verdict.value.replace("_", " ") for verdict in Verdict}
#: the passes in their order: key, title, icon, and what its schema is compared with
PASSES = (
    ("forward", "Forward", "arrow-right", ""),
    ("rollback", "Rollback", "arrow-back-up", "before"),
    ("again", "Forward again", "arrow-right", "forward"),
)
#: why nothing is lost: rows were compared, or there were none that the script could have changed
NO_ROWS = "None: what happens to data was not exercised."
SAME_ROWS = "Every row was the same after the rollback."
UNTOUCHED = "It touches no table that was there before, so there was no row to lose."
#: a lock whose time is not known: the text says that it is taken, and nobody saw it held
UNTIMED = "not timed"
SAME = {"before": "as before", "forward": "as after the first"}
BASES = {
    "schema": "the schema of {of}, without its rows",
    "copy": "a copy of {of}, with its rows",
    "migrations": "an empty database and all earlier migrations",
    "upload": "made elsewhere and uploaded",
}


def verdict(certificate: Mapping[str, Any], *, ours: bool) -> dict[str, str]:
    """Return tone, icon, heading and text of what came out; an upload proves nothing and is never green."""
    word = text(certificate.get("verdict"))
    heading, icon = HEADINGS[Verdict(word)] if word in WORDS else (f"Verdict: {word}", "info-circle")
    passed = certificate.get("passed") is True and ours
    if ours and not passed and icon == "circle-check":
        heading, icon = f"{heading}, and yet it does not pass", "alert-triangle"
    tone = "ok" if passed and icon == "circle-check" else "warn" if passed or not ours else "bad"
    sentence, short = text(certificate.get("sentence")), text(certificate.get("shortfall"))
    more = short if short and short != sentence else ""
    return {"tone": tone, "icon": icon, "heading": heading, "text": " ".join(part for part in (sentence, more) if part)}


def bars(certificate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the three passes: how long each took beside the longest, its schema, its verification, its error."""
    made = {_pass(one.get("name")): one for one in listing(certificate.get("passes")) if isinstance(one, Mapping)}
    prints = mapping(certificate.get("fingerprints"))
    verified = mapping(certificate.get("verify"))
    longest = max((number(one.get("ms")) or 0 for one in made.values()), default=0) or 1
    rows = []
    for key, title, icon, like in PASSES:
        one, after = made.get(key), text(prints.get(key))
        same = bool(after) and after == text(prints.get(like))
        said = mapping(verified.get(key))
        rows.append(
            {
                "title": title,
                "icon": icon,
                "run": one is not None,
                "percent": max(1, round(100 * (number(one.get("ms")) or 0) / longest)) if one else 0,
                "took": milliseconds(one.get("ms")) if one else "",
                "error": text(one.get("error")) if one else "",
                "digest": after,
                "compared": (SAME[like] if same else "differs") if like and after else "",
                "same": same,
                "verified": said.get("ok") is True,
                "verify": text(said.get("sentence")),
            }
        )
    return rows


def _pass(name: Any) -> str:
    said = text(name).replace("_", " ")
    return "again" if said == "forward again" else said


def bare(relation: str) -> str:
    """Return the name of a relation as people say it, without the usual schema."""
    return relation.removeprefix("public.")


def waits(mode: str) -> str:
    """Return who has to wait while a lock of this mode is held (the manual's table of conflicts, 13.3.1)."""
    strength = STRENGTH.get(mode, 0)
    if strength >= STRENGTH["ACCESS EXCLUSIVE"]:
        return "everyone, also readers"
    if strength >= BLOCKS_WRITERS:
        return "whoever writes"
    return "nobody who reads or writes"


def locks(found: Sequence[Observed]) -> list[dict[str, Any]]:
    """Return one row a relation, the strongest lock first: since which statement, how long, who waits meanwhile."""
    rows: dict[str, dict[str, Any]] = {}
    for one in found:
        for relation, mode in one.locks.items():
            row = rows.setdefault(relation, {"relation": bare(relation), "mode": "", "numbers": []})
            row["numbers"].append(one.statement)
            if STRENGTH.get(mode, 0) > STRENGTH.get(row["mode"], -1):
                row |= {"mode": mode, "held": None, "basis": ""}
            if mode == row["mode"]:
                held = one.held_ms.get(relation)
                row["held"] = row["held"] if held is None else max(held, row["held"] or 0.0)
                row["basis"] = row["basis"] or _lock_basis(one, held)
    for row in rows.values():
        row["waits"] = waits(row["mode"])
        row["blocks"] = STRENGTH.get(row["mode"], 0) >= BLOCKS_WRITERS
        row["took"] = figures.duration(row["held"]) if row["held"] is not None else UNTIMED
        row["numbers"] = saying.numbers(row["numbers"])
    return sorted(rows.values(), key=lambda row: (-STRENGTH.get(row["mode"], 0), -(row["held"] or 0), row["relation"]))


def _lock_basis(one: Observed, held: float | None) -> str:
    """Return what the row of a lock rests on where it was not read inside the statement's own transaction."""
    if one.exact:
        return ""
    if one.batched:
        return "let go after each batch"
    return "known from the text; too short to be seen" if held is None else "seen from outside, to about 2 ms"


def lock_sentence(rows: Sequence[Mapping[str, Any]], found: Sequence[Observed], certificate: Mapping[str, Any]) -> str:
    """Return the answer before the table: the longest that anybody would have had to wait, here and on the original."""
    blocking = [row for row in rows if row["blocks"]]
    if not blocking:
        return "No statement holds up anybody who reads or writes."
    worst = max(blocking, key=lambda row: row["held"] or 0)
    what = f"`{worst['mode']}` on `{worst['relation']}`"
    said = f"On the copy nobody waits longer than {worst['took']}: {what}."
    if worst["held"] is None:
        said = f"{what} makes others wait; how long, the copy did not show."
    place = text(mapping(certificate.get("basis")).get("of")) or "the target"
    strong = [one for one in found if any(STRENGTH.get(mode, 0) >= BLOCKS_WRITERS for mode in one.locks.values())]
    expected = [made for one in strong if (made := extrapolation.estimated(one, sizes(certificate))) is not None]
    longest = max((made.ms for made in expected if made.ms is not None), default=0.0)
    if any(made.ms is None for made in expected):
        return f"{said} How long on {place} is open: the sizes of its tables say too little."
    if longest > (worst["held"] or 0):
        return f"{said} On {place} it is about {figures.duration(longest)} or more, by the bytes of its tables."
    return said


def schema(value: Any) -> list[dict[str, Any]]:
    """Return the lists of a difference between two catalogs: what came, what went, what is otherwise."""
    found = mapping(value)
    kinds = (("extra", "is-add", "+"), ("missing", "is-del", "-"), ("changed", "", "~"), ("order_only", "is-at", "="))
    return [{"css": css, "sign": sign, "name": name} for key, css, sign in kinds for name in texts(found.get(key))]


def data(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of the rows: kept, lost, or not exercised and why."""
    lossless = certificate.get("lossless")
    if lossless is True:
        compared = bool(mapping(mapping(certificate.get("basis")).get("rows")))
        head, kept = ("No data is lost.", SAME_ROWS) if compared else ("No earlier row is lost.", UNTOUCHED)
        said = ("ok", "circle-check", head, kept, "")
    elif lossless is False:
        said = ("warn", "alert-triangle", "The rollback loses data.", "", "lost")
    else:
        why = "The copy held no rows that could have been lost."
        said = ("warn", "circle-dashed", "Not exercised.", why, "not_exercised")
    tone, icon, head, sentence, key = said
    return {"tone": tone, "icon": icon, "head": head, "text": sentence, "rows": texts(certificate.get(key))}


def prefixes(certificate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rollback after each first part of the steps."""
    rows = []
    for one in listing(certificate.get("prefixes")):
        found = mapping(one)
        word = text(found.get("verdict"))
        ok = word in (Verdict.EXACT, Verdict.ORDER_ONLY)
        steps = whole(found.get("steps"))
        said = text(found.get("error")) or " ".join(texts(mapping(found.get("differences")).get("said"))[:3])
        lost = texts(found.get("lost"))
        upto = "step 1" if steps == 1 else f"steps 1 to {steps}"
        rows.append({"upto": upto, "ok": ok, "word": WORDS.get(word, word), "say": said, "lost": lost})
    return rows


def basis(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the copy was, and the rows of each table with where they came from."""
    found = mapping(certificate.get("basis"))
    registered = sizes(certificate)
    rows = []
    for table, pair in sorted(mapping(found.get("rows")).items()):
        count, source = (*listing(pair), "", "")[:2]
        here, size = registered.get(table, (None, None))
        rows.append({"table": bare(table), "count": whole(count), "source": text(source), "there": here, "bytes": size})
    of = text(found.get("of")) or "the target"
    facts = [
        ("Copy", BASES.get(text(found.get("kind")), text(found.get("kind"))).format(of=of)),
        ("PostgreSQL", text(found.get("server_version"))),
        ("Extensions", ", ".join(f"{key} {text(one)}" for key, one in mapping(found.get("extensions")).items())),
        ("Run before", ", ".join(texts(found.get("preceded_by")))),
    ]
    return {
        "facts": [(label, said) for label, said in facts if said],
        "rows": rows,
        "empty": _empty(mapping(found.get("not_generated"))),
        "no_rows": NO_ROWS if certificate.get("lossless") is None else UNTOUCHED,
        "not_comparable": text(found.get("not_comparable")),
    }


def _empty(found: Mapping[str, Any]) -> list[tuple[list[str], str]]:
    """Return the tables that stayed empty, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for table, why in found.items():
        reasons.setdefault(text(why), []).append(bare(table))
    return [(tables, why) for why, tables in reasons.items()]
