"""What the sweep does about a job: a pure decision over what the control bucket and the table show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.core.admission import heads, partitions_ahead
from chalicelib.core.budgets import silence_ms
from chalicelib.core.ids import DELETE_RANGE, ROOT_RANGE, part_id
from chalicelib.core.intents import NO_INTENTS, Intents
from chalicelib.core.leases import Observation
from chalicelib.core.model import Priority
from chalicelib.core.policy import Policy
from chalicelib.core.settle import may_be_complete, ranges_of

JOB_SUBJECT = "job"
"""The observation of a whole job; partitions are observed under their ids."""
SETTLED = "settled"
"""What a settled job looks like that is still listed as open."""
MAX_DOUBLINGS = 6
REPLICATION_MS = 5_000
"""Allowance for the table's replication: typically about a second, without promise (DynamoDB developer guide)."""
START_MS = 15_000
"""Allowance for the sweep's own run, a message's way and a function's cold start."""


@dataclass(frozen=True, slots=True)
class Records:
    """A job's create-only records, by name (one LIST)."""

    links: frozenset[str] = frozenset()
    claims: Mapping[str, int] = field(default_factory=dict)
    """Partition -> its highest claimed epoch."""
    copied: Mapping[str, int] = field(default_factory=dict)
    """Partition -> the highest epoch whose copy record is there."""
    done: frozenset[str] = frozenset()
    intents: Intents = NO_INTENTS
    terminal: bool = False
    planned: bool = False
    """Of a plan: what it comes to is on record."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Partition whose highest claim has ended its round in vain -> how many such rounds there were."""


@dataclass(frozen=True, slots=True)
class Repairs:
    """What to do. Each is safe to do twice, and by both Regions at once."""

    close: bool = False
    """Who settled the job has died before it told the world: do that, and take it off the list of open jobs."""
    settle: bool = False
    """Settle the job if it is complete; of a plan, sum it up."""
    watch: tuple[tuple[str, int], ...] = ()
    """Claimed partitions without a copy record, and at which epoch: look at their leases."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Of those that rest (`core.tries`): after how many rounds."""
    split: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    again: bool = False
    """They were sent before, and are taken for lost: those for copy not if the job is known to wait for a slot."""
    delay_ms: int = 0
    """When the messages for split, copy and verify fall due."""
    observation: Observation | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What may be done next, by names. Too much rather than too little: a message for what isn't there, or for what
    somebody works on, changes nothing."""

    split: frozenset[str]
    copy: frozenset[str]
    """Planned, and neither claimed nor receipted."""
    working: frozenset[str]
    """Claimed, and without a copy record."""
    verify: frozenset[str]


def waiting(records: Records, *, deletes: bool = False) -> Waiting:
    """Of a job that `deletes`, planning what begins when all is delivered; copy finds out whether it is planned."""
    ranges = ranges_of(records.links) or {ROOT_RANGE: 0}
    # A range both of whose halves have begun is known to end in its fork: nothing in it is left to do.
    forked = {name for name in ranges if {f"{name}0", f"{name}1"} <= ranges.keys()}
    forks = {part_id(name, ranges[name]) for name in forked}
    unclaimed = records.links - records.done - records.claims.keys() - forks
    forkable = {name: last for name, last in ranges.items() if name != DELETE_RANGE}
    # The last link of a range that nobody works on may be a fork whose messages were lost; only reading it would tell.
    # A message for a range that there isn't changes nothing.
    halves = {f"{name}{half}" for name, last in forkable.items() if part_id(name, last) in unclaimed for half in "01"}
    delivered = may_be_complete(set(records.links), set(records.done))
    begins = {DELETE_RANGE} if deletes and delivered and DELETE_RANGE not in ranges else set()
    return Waiting(
        split=frozenset((ranges.keys() | halves | begins) - forked),
        copy=unclaimed,
        working=frozenset(records.claims.keys() - records.done - records.copied.keys()),
        # A copy record of any epoch tells the truth about every row, so it can be verified.
        verify=frozenset(records.copied.keys() - records.done),
    )


def in_line(records: Records, priority: Priority, policy: Policy) -> frozenset[str]:
    """The partitions of a job that was resumed which have to be woken, so that all of them will be."""
    waits = waiting(records)
    lines = heads(waits.copy | waits.working, lambda range_id: partitions_ahead(policy, priority, range_id))
    return waits.working | frozenset(lines)


def sight(records: Records) -> str:
    """A job that looks the same twice has not moved in between. Heartbeats are not in it: a partition at work shows in
    its lease, and its job has nothing else to be woken for."""
    counts = (len(records.links), sum(records.claims.values()), sum(records.copied.values()), len(records.done))
    return f"{':'.join(str(count) for count in counts)}:{records.intents}"


def _intents_in(seen: str) -> str:
    return seen.partition("@")[0].rpartition(":")[2]


def decide(
    job_id: str,
    records: Records,
    before: Observation | None,
    *,
    region: str,
    home: str,
    home_sight: str,
    now_ms: int,
    policy: Policy,
    deletes: bool = False,
    priority: Priority = Priority.NORMAL,
) -> Repairs:
    """Repairs of one open job.

    Leases are watched at every sweep. Messages are taken for lost only when nothing in the job has moved for
    `redrive_after_ms` (in the job's home Region; elsewhere for `takeover_after_ms`, in which the home Region's beacons,
    `home_sight`, have not moved either), and then again at doubling intervals: perhaps they only wait in a long queue.

    A paused job is neither woken nor taken over, but what was copied is verified, and if that was all, it settles. When
    it is found resumed (or cancelled), all its lines are woken at once: its messages were dropped meanwhile. So it is
    with a plan until it is found approved, but that its planning goes on.

    A partition that waits for its turn (`core.admission`) looks as if its message were lost. In a job that moves nobody
    minds; in one that stands still it is woken with the others, before its turn.
    """
    if records.terminal:
        # Who settled it is perhaps telling the world at this very moment; after a whole round it no longer is.
        if before is not None and before.seen == SETTLED:
            return Repairs(close=True)
        return Repairs(observation=Observation(job_id, JOB_SUBJECT, region, SETTLED, now_ms))
    unapproved = records.intents.unapproved
    settle = (
        bool(records.links) if unapproved else may_be_complete(set(records.links), set(records.done), deletes=deletes)
    )
    waits = waiting(records, deletes=deletes)
    paused, may_copy = records.intents.paused, records.intents.may_copy
    watch = () if not may_copy else tuple((part, records.claims[part]) for part in sorted(waits.working))
    looks = sight(records) if region == home else f"{sight(records)}@{home_sight}"
    seen, _, doublings = before.seen.partition("#") if before else ("", "", "")
    if before is None or seen != looks:
        noted = Observation(job_id, JOB_SUBJECT, region, f"{looks}#0", now_ms)
        if not may_copy or records.intents == NO_INTENTS or _intents_in(seen) == str(records.intents):
            return Repairs(settle=settle, watch=watch, resting=records.resting, observation=noted)
        everything = waits.copy | waits.working
        return Repairs(
            settle=settle,
            watch=watch,
            resting=records.resting,
            # Split wakes copy for all of a cancelled job, from its root down.
            split=(ROOT_RANGE,) if records.intents.cancelled else tuple(sorted(waits.split)),
            copy=_window(everything, policy.redrives_per_job, 0)
            if records.intents.cancelled
            else tuple(sorted(in_line(records, priority, policy))),
            observation=noted,
        )
    times = int(doublings or "0")
    patience = policy.redrive_after_ms if region == home else policy.takeover_after_ms
    wait_ms = patience * 2 ** min(times, MAX_DOUBLINGS) - (now_ms - before.since_ms)
    if wait_ms > 0 and not due_before_next_sweep(wait_ms, policy):
        return Repairs(settle=settle, watch=watch, resting=records.resting)
    delay_ms = max(0, wait_ms)
    return Repairs(
        settle=settle,
        watch=watch,
        resting=records.resting,
        split=() if paused else _window(waits.split, policy.redrives_per_job, times),
        copy=() if not may_copy else _window(waits.copy, policy.redrives_per_job, times),
        verify=_window(waits.verify, policy.redrives_per_job, times),
        again=True,
        delay_ms=delay_ms,
        observation=Observation(job_id, JOB_SUBJECT, region, f"{looks}#{times + 1}", now_ms + delay_ms),
    )


def due_before_next_sweep(wait_ms: int, policy: Policy) -> bool:
    """Something falls due before the next sweep would see it: a delayed message is sent now, so that patience ends when
    it ends and not up to a sweep later. Whoever gets the message looks again for himself."""
    return wait_ms <= policy.sweep_interval_ms


def worst_takeover_ms(policy: Policy) -> int:
    """The longest time from a Region's death until the other one claims what it held, with a message in hand.

    The dying Region's last sign of life takes `REPLICATION_MS` to arrive and is noticed by the next sweep; from then on
    patience runs, and ends with a delayed message. That sweep may first find another Region silent, and then the table,
    and wait for one call to each.
    """
    silent_ms = silence_ms(policy, peer=True) + silence_ms(policy, peer=False)
    return REPLICATION_MS + policy.sweep_interval_ms + silent_ms + policy.takeover_after_ms + START_MS


def _window(names: Iterable[str], limit: int, times: int) -> tuple[str, ...]:
    """At most `limit` names, others each time: those that need no waking must not keep the rest from it for ever."""
    ordered = sorted(names)
    start = times * limit % len(ordered) if len(ordered) > limit else 0
    return tuple((ordered[start:] + ordered[:start])[:limit])
