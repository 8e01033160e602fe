"""Define the steps that the stories have in common."""

from __future__ import annotations

import time
from collections.abc import Sequence

from local.drill import collect
from local.drill.model import Record
from local.drill.stage import Stage, Work
from local.gateway.launch import EAST
from local.wait import wait_until

_SAY_EVERY_S = 15.0


def kill_west(stage: Stage, record: Record, works: Sequence[Work]) -> None:
    """Kill West's stack, but not its S3. The state that it left is recorded before anybody can have taken over."""
    stage.kill(record, "west")
    collect.look_at_death(stage, record, works)


def await_settled(stage: Stage, record: Record, works: Sequence[Work]) -> None:
    """Wait until every customer knows that its job is settled. Note when they were settled, when the name led to East,
    and which takeovers there were."""
    limit_s = stage.times.promise.recovery + 60
    reported_s = [time.monotonic()]

    def settled() -> bool:
        if time.monotonic() - reported_s[0] > _SAY_EVERY_S:
            reported_s[0] = time.monotonic()
            stage.say("  " + ", ".join(f"{work.name}: {_state(work)}" for work in works))
        return all(work.customer is None or work.customer.settled for work in works)

    try:
        wait_until(settled, "every job is settled", limit_s)
    finally:
        note_times(stage, record, works)


def note_times(stage: Stage, record: Record, works: Sequence[Work]) -> None:
    if record.death_ms is not None:
        record.dns_ms = stage.resolved_ms(EAST, record.death_ms)
        if record.dns_ms:
            record.phase("the name leads to East", record.dns_ms)
    takeovers = collect.takeovers(stage, [work.job_id for work in works])
    if len(takeovers) > 1:
        record.phase("first takeover", takeovers[0].at_ms)
    if takeovers:
        record.phase("last takeover" if len(takeovers) > 1 else "takeover", takeovers[-1].at_ms)
    record.ended_ms = collect.settled_ms(works)
    if record.ended_ms:
        record.phase("all jobs settled", record.ended_ms)


def return_west(stage: Stage, record: Record) -> None:
    """Bring West back with its old messages, and give it time to do harm."""
    stage.restore(record, "west")
    stage.faults()
    stage.rest()


def happened(record: Record, at_ms: int, event: str) -> None:
    record.happened.append((at_ms, event))


def _state(work: Work) -> str:
    view = work.customer.last if work.customer else None
    return f"{view.state} {view.objects_done}/{len(work.sizes)}" if view else "not submitted yet"
