"""What a person can do to a change, as data: which verb, which duty, what the dialog says and asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from changecontrol.models import ChangeRequest, Execution
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.signing import Meaning
from changecontrol.services import closing, executing, reviewing
from changecontrol.web.refusals import number_in


@dataclass(frozen=True, slots=True)
class Act:
    """One action: `asks` names the parts of its form (sign, reason, why, verdict, where)."""

    title: str
    button: str
    done: str
    verb: Callable[..., Any]
    duties: tuple[str, ...]
    asks: tuple[str, ...]
    statement: str = ""
    meaning: Meaning | None = None
    tone: str = "go"
    later: str = ""

    @property
    def signs(self) -> bool:
        """Whether it asks for the password again."""
        return "sign" in self.asks


def _signed(title: str, meaning: Meaning, verb: Callable[..., Any], done: str, *more: str, **extra: Any) -> Act:
    return Act(
        title=title,
        button="Sign",
        done=done,
        verb=verb,
        duties=signing.DUTIES[meaning],
        asks=("sign", *more),
        statement=signing.STATEMENTS[meaning],
        meaning=meaning,
        **extra,
    )


REVIEWERS = (Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER)
RUNS_STAGING = (Duty.AUTHOR, Duty.QA, Duty.TECH_LEAD)

ACTS: dict[str, Act] = {
    "submit": _signed(
        "Submit for review: authorship",
        Meaning.AUTHORSHIP,
        reviewing.submit,
        "Submitted. The content is fixed now, and its digest stands beside every signature.",
    ),
    "technical_review": _signed(
        "Sign: technical review", Meaning.TECHNICAL_REVIEW, reviewing.sign, "Signed: technical review.", "comment"
    ),
    "compliance_review": _signed(
        "Sign: compliance review", Meaning.COMPLIANCE_REVIEW, reviewing.sign, "Signed: compliance review.", "comment"
    ),
    "accept": _signed(
        "Sign: staging acceptance", Meaning.STAGING_ACCEPTANCE, reviewing.accept, "Signed: staging acceptance."
    ),
    "authorize": _signed(
        "Sign: production authorization",
        Meaning.PRODUCTION_AUTHORIZATION,
        reviewing.authorize,
        "Signed: production authorization.",
    ),
    "reject": _signed("Reject", Meaning.REJECTION, reviewing.reject, "Rejected.", "reason", tone="stop"),
    "send_back": _signed(
        "Send back to the author",
        Meaning.SEND_BACK,
        reviewing.send_back,
        "Sent back to the author.",
        "reason",
        tone="stop",
    ),
    "start_production": _signed(
        "Start the production run",
        Meaning.EXECUTION,
        executing.start_production,
        "Asked for. A worker of production takes it now.",
        "comment",
    ),
    "start_rollback": _signed(
        "Start the production rollback",
        Meaning.EXECUTION,
        executing.start_rollback,
        "Asked for. The rollback starts once a second person has signed it.",
        "reason",
        tone="stop",
    ),
    "close_watch": _signed(
        "Sign: watch verdict", Meaning.WATCH_VERDICT, closing.close_watch, "Signed: watch verdict.", "verdict"
    ),
    "recall": Act("Recall", "Recall", "Recalled. It is a draft again.", reviewing.recall, (Duty.AUTHOR,), ("reason",)),
    "restage": Act(
        "Stage again",
        "Stage again",
        "Staging is run again, content unchanged.",
        reviewing.restage,
        (Duty.QA, Duty.TECH_LEAD),
        ("reason",),
    ),
    "withdraw": Act(
        "Withdraw",
        "Withdraw",
        "Withdrawn.",
        reviewing.withdraw,
        (Duty.AUTHOR, Duty.TECH_LEAD),
        ("reason",),
        tone="stop",
    ),
    "start_staging": Act(
        "Start the staging run",
        "Start on staging",
        "Asked for. A worker of staging takes it now.",
        executing.start_staging,
        RUNS_STAGING,
        (),
    ),
    "undo_staging": Act(
        "Start the staging rollback",
        "Roll staging back",
        "Asked for. Staging goes back to where it was.",
        executing.undo_staging,
        RUNS_STAGING,
        ("reason",),
    ),
    "start_development": Act(
        "Run on development",
        "Run",
        "Asked for. A worker of development takes it now.",
        executing.start_development,
        (Duty.AUTHOR,),
        ("where",),
    ),
    "restore": Act(
        "Restore the backup",
        "Restore",
        "",
        executing.restore,
        (Duty.TECH_LEAD,),
        (),
        tone="stop",
        later=(
            "Restoring comes with a later release. Until then your database people restore by hand and adopt the "
            "target again."
        ),
    ),
    "ask_compliance": Act(
        "Ask for a compliance review",
        "Ask for it",
        "Asked for. Nobody can take it back.",
        reviewing.ask_compliance,
        (*REVIEWERS, Duty.QA, Duty.TECH_LEAD, Duty.AUTHOR),
        (),
    ),
}


def arguments(act: Act, request: HttpRequest, change: ChangeRequest, now: Any) -> dict[str, Any]:
    """Return the keyword arguments of the verb, as the form carries them."""
    given: dict[str, Any] = {"change_id": change.pk, "now": now}
    if act.signs:
        given |= {
            "signer": request.user,
            "password": request.POST.get("password", ""),
            "version": number_in(request, "version"),
            "content_digest": request.POST.get("content_digest", ""),
        }
    else:
        given["actor"] = request.user
        if "where" not in act.asks and act.verb is not executing.restore:
            given["version"] = number_in(request, "version")
    if "reason" in act.asks or "comment" in act.asks:
        given["reason"] = request.POST.get("reason", "").strip()
    if act.verb is reviewing.sign:
        given["meaning"] = act.meaning
    if "verdict" in act.asks:
        given |= {"verdict": request.POST.get("verdict", ""), "note": request.POST.get("note", "").strip()}
    if "where" in act.asks:
        given |= {"target_id": number_in(request, "target"), "direction": request.POST.get("direction", "forward")}
    return given


def runs_in(result: Any) -> list[Execution]:
    """Return the executions that a verb gave back, if it started any."""
    found = result if isinstance(result, (list, tuple)) else [result]
    return [one for one in found if isinstance(one, Execution)]
