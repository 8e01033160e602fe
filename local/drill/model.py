"""Define the data that a drill measures and finds. Times are epoch milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class DrillError(RuntimeError):
    """The drill can't go on. The message says why."""


@dataclass(frozen=True, slots=True)
class Phase:
    """An event for the timeline."""

    name: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Check:
    """One statement about the story, whether it held, and the evidence."""

    claim: str
    ok: bool
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A target object as S3 shows it: the ids of its versions, and the digest of the newest one's content."""

    versions: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class View:
    """One answer that the customer got. `region` is the Region that answered, by the resolver's own record."""

    at_ms: int
    job_id: str
    state: str
    objects_done: int
    bytes_done: int
    region: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the API. `said` is the status of the answer, or the kind of error if there was no answer."""

    sent_ms: int
    took_ms: int
    what: str
    said: str

    @property
    def answered(self) -> bool:
        return self.said.isdigit()


@dataclass(frozen=True, slots=True)
class Swept:
    """One sweep of a Region that was alive from the sweep's beginning to its end."""

    region: str
    began_ms: int
    took_ms: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Takeover:
    job_id: str
    partition_id: str
    from_region: str
    to_region: str
    at_ms: int
    waited_s: float


@dataclass
class Evidence:
    """All that is known of a case when it is over. By target key, `source` is what was sent, `target` what is there."""

    source: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """The keys that belong to jobs, so that each has a row. A feed delivered the others."""
    target: dict[str, Held] = field(default_factory=dict)
    there_at_death: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Versions by key that were at the target when the Region was dead."""
    looked_at_death: bool = False
    partial: list[str] = field(default_factory=list)
    looks: int = 0
    """How often the watchers looked for partial objects."""
    rows: dict[str, str] = field(default_factory=dict)
    """Outcome by target key, as the API shows it."""
    states: dict[str, str] = field(default_factory=dict)
    """Final state by job id."""
    uploads_left: list[str] = field(default_factory=list)
    foreign_alive: bool = False
    parts_expected: dict[str, int] = field(default_factory=dict)
    """Number of upload parts that were missing when the Region was dead, by key."""
    parts_sent: dict[str, int] = field(default_factory=dict)
    """Number of part copies that the other Region has sent, by key."""
    copies_after: int | None = None
    """CopyObject requests of the other Region; None if they were not counted."""
    takeovers: list[Takeover] = field(default_factory=list)
    views: dict[str, list[View]] = field(default_factory=dict)
    """The customers' answers by Idempotency-Key."""
    ids: dict[str, list[str]] = field(default_factory=dict)
    """The job ids in the answers to the submissions under each Idempotency-Key."""
    retries: int = 0
    inquiries: list[Asked] = field(default_factory=list)
    """Requests to the living Region's own API while the other one was in trouble."""
    requests: list[Asked] = field(default_factory=list)
    """All requests that customers sent to the one name."""
    sweeps: list[Swept] = field(default_factory=list)


@dataclass
class Record:
    """One case while it runs, and its results."""

    case: str
    title: str
    story: str
    began_ms: int
    phases: list[Phase] = field(default_factory=list)
    happened: list[tuple[int, str]] = field(default_factory=list)
    """Actions on a Region or an upload, with their times."""
    evidence: Evidence = field(default_factory=Evidence)
    checks: list[Check] = field(default_factory=list)
    error: str = ""
    death_ms: int | None = None
    since_ms: int | None = None
    """When recovery is counted from, if not from the death."""
    returned_ms: int | None = None
    """When the Region was back."""
    dns_ms: int | None = None
    ended_ms: int | None = None
    judge_takeover: bool = True
    """True if leases change hands in this case."""

    def phase(self, name: str, at_ms: int) -> None:
        self.phases.append(Phase(name, at_ms))

    def at(self, name: str) -> int | None:
        return next((phase.at_ms for phase in self.phases if phase.name == name), None)

    def check(self, claim: str, ok: bool, evidence: object = "") -> None:
        self.checks.append(Check(claim, bool(ok), str(evidence)))

    @property
    def ok(self) -> bool:
        return not self.error and bool(self.checks) and all(check.ok for check in self.checks)


@dataclass(frozen=True, slots=True)
class Counts:
    objects: int
    copied_before: int
    copied_after: int
    copied_twice: int
    partial_seen: int
    lost: int
    orphan_uploads: int
    parts_resent_of_finished: int


@dataclass(frozen=True, slots=True)
class Drill:
    """A whole run."""

    seed: int
    scale: float
    began_ms: int
    seconds: float
    promise: Mapping[str, float]
    policy: Mapping[str, Any]
    emulated: Sequence[str]
    machine: str
    commit: str
    logs: str
    cases: Sequence[Record]
    error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error and bool(self.cases) and all(case.ok for case in self.cases)
