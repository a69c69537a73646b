"""Tables, constraints and chainable queries; they decide nothing."""

from changecontrol.models.changes import (
    ChangeAuthor,
    ChangeRequest,
    CodeCounter,
    LegalMove,
    Revision,
    StatusMove,
    Waiver,
)
from changecontrol.models.checklists import ChecklistItem, Evidence
from changecontrol.models.executions import Execution, ExecutionEvent, LedgerCopy
from changecontrol.models.incidents import Incident, Watch
from changecontrol.models.people import DutyChange, Person
from changecontrol.models.rehearsals import Rehearsal
from changecontrol.models.series import ReleaseAttestation, Series
from changecontrol.models.signatures import FailedSigning, Signature
from changecontrol.models.targets import Environment, Errand, Target

__all__ = [
    "ChangeAuthor",
    "ChangeRequest",
    "ChecklistItem",
    "CodeCounter",
    "DutyChange",
    "Environment",
    "Errand",
    "Evidence",
    "Execution",
    "ExecutionEvent",
    "FailedSigning",
    "Incident",
    "LedgerCopy",
    "LegalMove",
    "Person",
    "Rehearsal",
    "ReleaseAttestation",
    "Revision",
    "Series",
    "Signature",
    "StatusMove",
    "Target",
    "Waiver",
    "Watch",
]
