"""What its owner wants of a job, or of a feed: that it pause, that it go on. A numbered log, in which the number says
which.

A wish that holds already is not written again. So pauses and resumes alternate: odd numbers pause, even ones resume,
and names alone (one LIST) say whether a job is paused. Two requests for the same thing at once race for one number, and
what the winner wrote is the loser's wish too; a pause and a resume never want the same number.

A plan waits for its approval in much the same way, but that it goes on being planned meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.leases import Observation

INTENTS_SUBJECT = "intents"
"""Under it each Region notes in the table what it has seen of a job's intents: for the API's answers only."""


SERVICE = "eft"
STOPPED_SUBJECT = "stopped"
"""Under it a Region notes by which intent it has paused a job, and why: for the API's answers only."""


class IntentKind(StrEnum):
    PAUSE = "PAUSE"
    RESUME = "RESUME"


class Approved(StrEnum):
    """Whether a job may begin to copy."""

    FROM_THE_START = ""
    AWAITED = "awaited"
    """A plan that nobody has approved."""
    GIVEN = "given"


def approval_of(*, planned_first: bool, given: bool) -> Approved:
    if not planned_first:
        return Approved.FROM_THE_START
    return Approved.GIVEN if given else Approved.AWAITED


@dataclass(frozen=True, slots=True)
class Intent:
    """One entry of the log. `kind` is for people: it follows from the number."""

    job_id: str
    """Or the feed's id."""
    number: int
    kind: IntentKind
    region: str
    requested_ms: int
    nonce: str
    by: str = ""
    """Of a feed's: whose token asked for it, its subject; `SERVICE` for the service itself."""
    reason: str = ""
    """Why the service has paused it, and what to do."""


@dataclass(frozen=True, slots=True)
class Intents:
    """How far the log goes, and whether the job is cancelled: then nothing in the log matters any more, nor does
    anybody's approval."""

    highest: int = 0
    cancelled: bool = False
    approved: Approved = Approved.FROM_THE_START

    @property
    def paused(self) -> bool:
        return self.highest % 2 == 1 and not self.cancelled

    @property
    def unapproved(self) -> bool:
        return self.approved is Approved.AWAITED and not self.cancelled

    @property
    def may_copy(self) -> bool:
        """Of a cancelled job too: it decides what is left without copying."""
        return not self.paused and not self.unapproved

    def number_for(self, kind: IntentKind) -> int | None:
        """The number under which a wish is to be written; None if it holds, or can't any more."""
        if self.cancelled or self.paused is (kind is IntentKind.PAUSE):
            return None
        return self.highest + 1

    def __str__(self) -> str:
        return "-".join(filter(None, (str(self.highest), "cancelled" if self.cancelled else "", self.approved)))

    @classmethod
    def parse(cls, text: str) -> "Intents":
        number, *marks = text.split("-")
        approved = next((a for a in (Approved.GIVEN, Approved.AWAITED) if a in marks), Approved.FROM_THE_START)
        return cls(int(number), "cancelled" in marks, approved)


NO_INTENTS = Intents()


def intents_seen(observations: Iterable[Observation]) -> Intents:
    """What any Region has seen. Numbers only grow, a cancel and an approval are final, so what is furthest is the
    newest."""
    seen = [Intents.parse(found.seen) for found in observations if found.subject == INTENTS_SUBJECT]
    approved = max((i.approved for i in seen), default=Approved.FROM_THE_START)  # As spelt: "", awaited, given.
    return Intents(max((i.highest for i in seen), default=0), any(i.cancelled for i in seen), approved)


def stopped_note(intents: Intents, why: str) -> str:
    """What is noted under `STOPPED_SUBJECT`."""
    return f"{intents.highest} {why}"


def why_stopped(observations: Iterable[Observation], intents: Intents) -> str:
    """Why the service has paused a job by its latest intent; "" if it hasn't."""
    noted = [found.seen.partition(" ") for found in observations if found.subject == STOPPED_SUBJECT]
    return next((why for number, _, why in noted if number == str(intents.highest)), "")
