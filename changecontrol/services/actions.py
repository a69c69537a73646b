"""The actions there are on a change, as data: what they are called and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass

from changecontrol.rules.lifecycle import Move
from changecontrol.rules.signing import Meaning

REVIEWS = {"technical_review": Meaning.TECHNICAL_REVIEW, "compliance_review": Meaning.COMPLIANCE_REVIEW}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing this person may do; `refusal` is empty when it can be done now."""

    key: str
    label: str
    icon: str
    needs: str  # sign, reason or plain
    meaning: str = ""
    primary: bool = False
    danger: bool = False
    refusal: str = ""
    url_name: str = "act"


SUBMIT = Action("submit", "Submit for review", "signature", "sign", Meaning.AUTHORSHIP, primary=True)
ACCEPT = Action("accept", "Sign staging acceptance", "signature", "sign", Meaning.STAGING_ACCEPTANCE, primary=True)
CLOSE_INCIDENT = Action(
    "close_incident", "Sign incident closure", "lifebuoy", "sign", Meaning.INCIDENT_CLOSURE, primary=True,
    url_name="incident",
)  # fmt: skip
#: actions that are moves of the table
MOVES: dict[Move, Action] = {
    Move.SUBMIT: SUBMIT,
    Move.RECALL: Action("recall", "Recall", "arrow-back", "reason"),
    Move.REJECT: Action("reject", "Reject", "circle-x", "sign", Meaning.REJECTION, danger=True),
    Move.RESTAGE: Action("restage", "Stage again", "refresh", "reason"),
    Move.ACCEPT: ACCEPT,
    Move.AUTHORIZE: Action(
        "authorize",
        "Sign production authorization",
        "signature",
        "sign",
        Meaning.PRODUCTION_AUTHORIZATION,
        primary=True,
    ),
    Move.CLOSE: Action("close_watch", "Sign watch verdict", "heartbeat", "sign", Meaning.WATCH_VERDICT, primary=True),
    Move.SEND_BACK: Action("send_back", "Send back", "arrow-back", "sign", Meaning.SEND_BACK),
    Move.WITHDRAW: Action("withdraw", "Withdraw", "ban", "reason", danger=True),
}
START_STAGING = Action("start_staging", "Start the staging run", "flask", "plain", primary=True)
UNDO_STAGING = Action("undo_staging", "Roll staging back", "arrow-back-up", "reason")
DEVELOP = Action("start_development", "Run on development", "player-play", "plain")
PRODUCTION = Action("start_production", "Start the production run", "rocket", "sign", Meaning.EXECUTION, primary=True)
ROLL_BACK = Action("start_rollback", "Roll production back", "arrow-back-up", "sign", Meaning.EXECUTION, danger=True)
RESTORE = Action("restore", "Restore the backup", "lifebuoy", "plain", danger=True)
ASK_COMPLIANCE = Action("ask_compliance", "Ask for a compliance review", "shield-check", "plain")
DOCUMENT = Action("document", "Write the documentation", "pencil", "plain", url_name="change-documentation")
REVISE = Action("revise", "Take the files as a new revision", "refresh", "plain", url_name="change-disk")
