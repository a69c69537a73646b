"""The life of a change and of an execution: statuses, moves, and the table of legal moves (design 3).

Postgres repeats the table (`legal_move`, checked by a trigger on every UPDATE of a status).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Status of a change request: may we?"""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    STAGED = "staged"
    ACCEPTED = "accepted"
    AUTHORIZED = "authorized"
    DEPLOYED = "deployed"
    CLOSED = "closed"
    ROLLED_BACK = "rolled_back"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Move(StrEnum):
    """Moves between statuses; actions are verbs."""

    SUBMIT = "submit"
    RECALL = "recall"
    APPROVE = "approve"
    REJECT = "reject"
    STAGE = "stage"
    RESTAGE = "restage"
    ACCEPT = "accept"
    AUTHORIZE = "authorize"
    DEPLOY = "deploy"
    ROLL_BACK = "roll_back"
    CLOSE = "close"
    SEND_BACK = "send_back"
    WITHDRAW = "withdraw"


class Duty(StrEnum):
    """Duties: names of Django groups. Membership is the only permission; a superuser has none by itself."""

    AUTHOR = "author"
    TECHNICAL_REVIEWER = "technical reviewer"
    COMPLIANCE_OFFICER = "compliance officer"
    QA = "QA"
    TECH_LEAD = "tech lead"
    ADMINISTRATOR = "administrator"
    INSPECTOR = "inspector"


class State(StrEnum):
    """State of an execution: what happened."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"


class Effect(StrEnum):
    """Effect of an execution, read from the target's ledger: what is on the target now."""

    NONE = "none"
    PARTIAL = "partial"
    COMPLETE = "complete"
    UNKNOWN = "unknown"


class Purpose(StrEnum):
    """What an execution is for."""

    DEVELOP = "develop"
    STAGE = "stage"
    DEPLOY = "deploy"
    ROLL_BACK = "roll_back"
    UNDO_STAGING = "undo_staging"


class RollbackWay(StrEnum):
    """How a change can be undone, as the gates ask it."""

    SCRIPT = "by script"
    FORWARD_FIX = "forward-fix only"
    RESTORE = "restore only"


@dataclass(frozen=True, slots=True)
class Legal:
    """One row of the table of moves: from where, to where, and who makes it ("" for automatic)."""

    before: Status
    move: Move
    after: Status
    duties: tuple[Duty, ...]


REVIEWERS = (Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER)
BEFORE_DEPLOYED = (
    Status.DRAFT,
    Status.IN_REVIEW,
    Status.APPROVED,
    Status.STAGED,
    Status.ACCEPTED,
    Status.AUTHORIZED,
)
#: statuses that end a change; nothing leaves them
FINAL = (Status.CLOSED, Status.REJECTED, Status.WITHDRAWN)

TABLE: tuple[Legal, ...] = (
    Legal(Status.DRAFT, Move.SUBMIT, Status.IN_REVIEW, (Duty.AUTHOR,)),
    Legal(Status.IN_REVIEW, Move.RECALL, Status.DRAFT, (Duty.AUTHOR,)),
    Legal(Status.IN_REVIEW, Move.APPROVE, Status.APPROVED, ()),
    Legal(Status.IN_REVIEW, Move.REJECT, Status.REJECTED, REVIEWERS),
    Legal(Status.APPROVED, Move.STAGE, Status.STAGED, ()),
    Legal(Status.STAGED, Move.RESTAGE, Status.APPROVED, (Duty.QA, Duty.TECH_LEAD)),
    Legal(Status.STAGED, Move.ACCEPT, Status.ACCEPTED, (Duty.QA,)),
    Legal(Status.ACCEPTED, Move.AUTHORIZE, Status.AUTHORIZED, (Duty.TECH_LEAD,)),
    Legal(Status.AUTHORIZED, Move.DEPLOY, Status.DEPLOYED, ()),
    Legal(Status.AUTHORIZED, Move.ROLL_BACK, Status.ROLLED_BACK, ()),
    Legal(Status.DEPLOYED, Move.ROLL_BACK, Status.ROLLED_BACK, ()),
    Legal(Status.DEPLOYED, Move.CLOSE, Status.CLOSED, (Duty.QA,)),
    Legal(Status.ROLLED_BACK, Move.CLOSE, Status.CLOSED, (Duty.QA, Duty.TECH_LEAD)),
    *(
        Legal(before, Move.SEND_BACK, Status.DRAFT, (*REVIEWERS, Duty.QA, Duty.TECH_LEAD))
        for before in BEFORE_DEPLOYED
        if before is not Status.DRAFT
    ),
    *(Legal(before, Move.WITHDRAW, Status.WITHDRAWN, (Duty.AUTHOR, Duty.TECH_LEAD)) for before in BEFORE_DEPLOYED),
)

BY_KEY: dict[tuple[Status, Move], Legal] = {(legal.before, legal.move): legal for legal in TABLE}

#: moves that leave backwards or sideways: refused while an execution is open or production holds applied steps
BACKWARDS = (Move.RECALL, Move.REJECT, Move.RESTAGE, Move.SEND_BACK, Move.WITHDRAW)
#: moves that only happen by themselves, never by a person's button
AUTOMATIC = tuple(move for move in Move if all(not legal.duties for legal in TABLE if legal.move is move))
#: moves whose actor must say why
WITH_REASON = BACKWARDS

OPEN_STATES = (State.QUEUED, State.RUNNING, State.LOST)


def after(status: Status, move: Move) -> Status | None:
    """Return the status that `move` leads to from `status`, or None where the table has no such row."""
    legal = BY_KEY.get((status, move))
    return legal.after if legal else None


def moves_from(status: Status) -> tuple[Legal, ...]:
    """Return the rows of the table that start at `status`, in the table's order."""
    return tuple(legal for legal in TABLE if legal.before is status)
