"""Defines the desired state of a job or a feed: paused, or running. It is kept in a numbered pause log, in which the
number itself says which of the two is desired.

A request for what is already desired is not written again. So pauses and resumes alternate: odd numbers pause, even
ones resume, and the names alone (one LIST) tell whether a job is paused. Two simultaneous requests for the same state
race for one number. The loser needs to write nothing, since the winner wrote the same request. A pause and a resume
never race for the same number.

A plan waits for its approval in much the same way, except that its planning continues meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from chalicelib.core.leases import Observation

N = TypeVar("N")

DESIRED_STATE_SUBJECT = "desired-state"
"""The subject under which each Region notes in the table which desired state of a job it has seen. Only the API's
answers use it."""


SERVICE = "eft"
STOPPED_SUBJECT = "stopped"
"""The subject under which a Region notes why it has paused a job, and by which entry of the pause log. Only the API's
answers use it."""


class PauseLogKind(StrEnum):
    PAUSE = "PAUSE"
    RESUME = "RESUME"


class Approved(StrEnum):
    """Whether a job may begin to copy."""

    FROM_THE_START = ""
    AWAITED = "awaited"
    """A plan that has not been approved."""
    GIVEN = "given"


def approval_of(*, planned_first: bool, given: bool) -> Approved:
    if not planned_first:
        return Approved.FROM_THE_START
    return Approved.GIVEN if given else Approved.AWAITED


@dataclass(frozen=True, slots=True)
class PauseLogEntry:
    """One entry of the pause log. `kind` is for people: it follows from the number."""

    job_id: str
    """The job's id, or the feed's."""
    number: int
    kind: PauseLogKind
    region: str
    requested_ms: int
    nonce: str
    by: str = ""
    """For a feed: the subject of the token that asked for it, or `SERVICE` for the service itself."""
    reason: str = ""
    """Why the service has paused it, and what to do."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The desired state of a job: the latest number of its pause log, whether it is cancelled, and whether it is
    approved. After a cancel, neither the log nor an approval has any effect."""

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
        """Whether copy may work on the job. It is true of a cancelled job too: copy then decides the remaining rows
        without copying."""
        return not self.paused and not self.unapproved

    def number_for(self, kind: PauseLogKind) -> int | None:
        """Return the number under which to write a request to the pause log. None if its state is already desired, or
        can't be reached any more."""
        if self.cancelled or self.paused is (kind is PauseLogKind.PAUSE):
            return None
        return self.highest + 1


AS_SUBMITTED = DesiredState()


@dataclass(frozen=True, slots=True)
class Stopped:
    """The service has paused a job: by which entry of the pause log, and why."""

    number: int
    why: str


def _notes(observations: Iterable[Observation], subject: str, kind: type[N]) -> list[N]:
    notes = (item.note(kind) for item in observations if item.subject == subject)
    return [note for note in notes if note is not None]


def desired_state_noted(observations: Iterable[Observation]) -> DesiredState:
    """Return the most advanced desired state that any Region has noted. Numbers only grow, and a cancel and an approval
    are final, so the most advanced one is the newest."""
    states = _notes(observations, DESIRED_STATE_SUBJECT, DesiredState)
    # Ordered as spelt: "", awaited, given.
    approved = max((state.approved for state in states), default=Approved.FROM_THE_START)
    highest = max((state.highest for state in states), default=0)
    return DesiredState(highest, any(state.cancelled for state in states), approved)


def why_stopped(observations: Iterable[Observation], desired_state: DesiredState) -> str:
    """Return why the service has paused a job by the latest entry of its pause log, or "" if it hasn't."""
    notes = _notes(observations, STOPPED_SUBJECT, Stopped)
    return next((note.why for note in notes if note.number == desired_state.highest), "")
