"""What its owner wants of a job: that it pause, that it go on. A numbered log, in which the number says which.

A wish that holds already is not written again. So pauses and resumes alternate: odd numbers pause, even ones resume,
and names alone (one LIST) say whether a job is paused. Two requests for the same thing at once race for one number, and
what the winner wrote is the loser's wish too; a pause and a resume never want the same number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.leases import Observation

INTENTS_SUBJECT = "intents"
"""Under it each Region notes in the table what it has seen of a job's intents: for the API's answers only."""


class IntentKind(StrEnum):
    PAUSE = "PAUSE"
    RESUME = "RESUME"


@dataclass(frozen=True, slots=True)
class Intent:
    """One entry of the log. `kind` is for people: it follows from the number."""

    job_id: str
    number: int
    kind: IntentKind
    region: str
    requested_ms: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Intents:
    """How far the log goes, and whether the job is cancelled: then nothing in the log matters any more."""

    highest: int = 0
    cancelled: bool = False

    @property
    def paused(self) -> bool:
        return self.highest % 2 == 1 and not self.cancelled

    def number_for(self, kind: IntentKind) -> int | None:
        """The number under which a wish is to be written; None if it holds, or can't any more."""
        if self.cancelled or self.paused is (kind is IntentKind.PAUSE):
            return None
        return self.highest + 1

    def __str__(self) -> str:
        return f"{self.highest}-cancelled" if self.cancelled else f"{self.highest}"

    @classmethod
    def parse(cls, text: str) -> "Intents":
        number, _, cancelled = text.partition("-")
        return cls(int(number), bool(cancelled))


NO_INTENTS = Intents()


def intents_seen(observations: Iterable[Observation]) -> Intents:
    """What any Region has seen. Numbers only grow and a cancel is final, so what is furthest is the newest."""
    seen = [Intents.parse(found.seen) for found in observations if found.subject == INTENTS_SUBJECT]
    return Intents(max((i.highest for i in seen), default=0), any(i.cancelled for i in seen))
