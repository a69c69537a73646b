"""Who may sign with which meaning, and which signatures a change still lacks (21 CFR 11.10(g), 11.50, 11.70)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from changecontrol.rules.lifecycle import Duty, Status
from changecontrol.rules.refusal import Refused


class Meaning(StrEnum):
    """What a signature means (21 CFR 11.50(a)(3))."""

    AUTHORSHIP = "authorship"
    TECHNICAL_REVIEW = "technical review"
    COMPLIANCE_REVIEW = "compliance review"
    STAGING_ACCEPTANCE = "staging acceptance"
    PRODUCTION_AUTHORIZATION = "production authorization"
    EXECUTION = "execution"
    SECOND_PERSON = "second person"
    WATCH_VERDICT = "watch verdict"
    INCIDENT_CLOSURE = "incident closure"
    REJECTION = "rejection"
    SEND_BACK = "send back"
    RESOLUTION = "resolution"
    BOOTSTRAP = "ledger bootstrap"
    ADOPTION = "adoption"


#: duties that may give a meaning; membership in one of the groups is the only permission
DUTIES: dict[Meaning, tuple[Duty, ...]] = {
    Meaning.AUTHORSHIP: (Duty.AUTHOR,),
    Meaning.TECHNICAL_REVIEW: (Duty.TECHNICAL_REVIEWER,),
    Meaning.COMPLIANCE_REVIEW: (Duty.COMPLIANCE_OFFICER,),
    Meaning.STAGING_ACCEPTANCE: (Duty.QA,),
    Meaning.PRODUCTION_AUTHORIZATION: (Duty.TECH_LEAD,),
    Meaning.EXECUTION: (Duty.TECH_LEAD,),
    Meaning.SECOND_PERSON: (Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER, Duty.TECH_LEAD),
    Meaning.WATCH_VERDICT: (Duty.QA,),
    Meaning.INCIDENT_CLOSURE: (Duty.QA, Duty.TECH_LEAD),
    Meaning.REJECTION: (Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER),
    Meaning.SEND_BACK: (Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER, Duty.QA, Duty.TECH_LEAD),
    Meaning.RESOLUTION: (Duty.TECH_LEAD,),
    Meaning.BOOTSTRAP: (Duty.TECH_LEAD,),
    Meaning.ADOPTION: (Duty.TECH_LEAD,),
}

#: the sentence above the password field: what this person says by signing
STATEMENTS: dict[Meaning, str] = {
    Meaning.AUTHORSHIP: "I wrote or revised this change and stand behind its script and its documentation.",
    Meaning.TECHNICAL_REVIEW: "I reviewed statements, locks, plan and way back, and found them sound.",
    Meaning.COMPLIANCE_REVIEW: "I reviewed what this does to protected records and to the audit trail, and agree.",
    Meaning.STAGING_ACCEPTANCE: "I checked this change on staging and accept it for production.",
    Meaning.PRODUCTION_AUTHORIZATION: "I authorize this change to be run on production.",
    Meaning.EXECUTION: "I start this run on production now and answer for it.",
    Meaning.SECOND_PERSON: "I checked, as a second person, that this run should start now.",
    Meaning.WATCH_VERDICT: "I watched production after this change and give this verdict.",
    Meaning.INCIDENT_CLOSURE: "Cause and lesson are recorded truthfully, and this incident can be closed.",
    Meaning.REJECTION: "I reject this change for the reason given.",
    Meaning.SEND_BACK: "I send this change back to its author for the reason given.",
    Meaning.RESOLUTION: "I looked at the target and state what became of the interrupted step.",
    Meaning.BOOTSTRAP: "The ledger of Change Control may be created on this target.",
    Meaning.ADOPTION: "I accept the shown differences; this database counts as migrated up to the named migration.",
}

#: meanings that one person may give only one of on one change (design 3, Incompatible)
PAIRWISE = frozenset(
    {
        Meaning.TECHNICAL_REVIEW,
        Meaning.COMPLIANCE_REVIEW,
        Meaning.STAGING_ACCEPTANCE,
        Meaning.PRODUCTION_AUTHORIZATION,
    }
)

#: meanings after which a person may still become an author of the change (design 3: they never bar)
BARS_NOBODY = frozenset({Meaning.AUTHORSHIP, Meaning.REJECTION, Meaning.SEND_BACK})

#: status in which a meaning may be given first; renewal is allowed at the later ones listed
WHEN: dict[Meaning, tuple[Status, ...]] = {
    Meaning.AUTHORSHIP: (Status.DRAFT,),
    Meaning.TECHNICAL_REVIEW: (Status.IN_REVIEW, Status.APPROVED, Status.STAGED, Status.ACCEPTED),
    Meaning.COMPLIANCE_REVIEW: (Status.IN_REVIEW, Status.APPROVED, Status.STAGED, Status.ACCEPTED),
    Meaning.STAGING_ACCEPTANCE: (Status.STAGED, Status.ACCEPTED, Status.AUTHORIZED),
    Meaning.PRODUCTION_AUTHORIZATION: (Status.ACCEPTED, Status.AUTHORIZED),
    Meaning.EXECUTION: (Status.AUTHORIZED, Status.DEPLOYED),
    Meaning.SECOND_PERSON: (Status.AUTHORIZED, Status.DEPLOYED),
    Meaning.WATCH_VERDICT: (Status.DEPLOYED,),
    Meaning.INCIDENT_CLOSURE: (Status.ROLLED_BACK, Status.DEPLOYED, Status.AUTHORIZED),
}


@dataclass(frozen=True, slots=True)
class Given:
    """A signature as the rules see it: who, what, over which content."""

    meaning: Meaning
    signer_id: int
    content_digest: str
    duty: str = ""


class DutyMissing(Refused):
    """Only a person with the duty {duties} can give the {meaning}. Ask an administrator if this duty is yours."""


class AuthorCannotSign(Refused):
    """You are an author of {code}, so you cannot give its {meaning}. Somebody else with the duty has to."""


class AlreadySignedOtherwise(Refused):
    """You already gave the {given} of {code}, so you cannot give its {meaning} as well. Ask another person."""


class NotAnAuthor(Refused):
    """Only an author of {code} can sign its authorship. Revise it first, or ask its author."""


class AdministratorsSignNothing(Refused):
    """Administrators sign nothing. Use an account that holds the business duty and not the administrator's."""


class NotNow(Refused):
    """The {meaning} cannot be given while {code} is {status}. Reload the page to see what it waits for."""


def check(
    *,
    meaning: Meaning,
    code: str,
    signer_id: int,
    duties: Iterable[str],
    author_ids: Iterable[int],
    given: Iterable[Given],
) -> Duty:
    """Return the duty under which `signer_id` may give `meaning` on the change `code`.

    Raises DutyMissing, AdministratorsSignNothing, NotAnAuthor, AuthorCannotSign or AlreadySignedOtherwise. There is no
    exemption, not even for a superuser: group membership alone decides.
    """
    held = set(duties)
    if Duty.ADMINISTRATOR in held:
        raise AdministratorsSignNothing
    allowed = [duty for duty in DUTIES[meaning] if duty in held]
    if not allowed:
        raise DutyMissing(duties=" or ".join(DUTIES[meaning]), meaning=meaning)
    is_author = signer_id in set(author_ids)
    if meaning is Meaning.AUTHORSHIP:
        if not is_author:
            raise NotAnAuthor(code=code)
        return allowed[0]
    if is_author:
        raise AuthorCannotSign(code=code, meaning=meaning)
    if meaning in PAIRWISE:
        for other in given:
            if other.signer_id == signer_id and other.meaning in PAIRWISE and other.meaning != meaning:
                raise AlreadySignedOtherwise(given=other.meaning, code=code, meaning=meaning)
    return allowed[0]


def missing(required: Iterable[Meaning], given: Iterable[Given], content_digest: str) -> list[Meaning]:
    """Return the required meanings without a signature over `content_digest`, in the order required."""
    counted = {one.meaning for one in given if one.content_digest == content_digest and content_digest}
    return [meaning for meaning in required if meaning not in counted]


def required(reviews: Iterable[str]) -> tuple[Meaning, ...]:
    """Return the meanings a normal change needs until it is closed, given the reviews that routing demands."""
    compliance = (Meaning.COMPLIANCE_REVIEW,) if Meaning.COMPLIANCE_REVIEW in set(reviews) else ()
    return (
        Meaning.AUTHORSHIP,
        Meaning.TECHNICAL_REVIEW,
        *compliance,
        Meaning.STAGING_ACCEPTANCE,
        Meaning.PRODUCTION_AUTHORIZATION,
        Meaning.WATCH_VERDICT,
    )
