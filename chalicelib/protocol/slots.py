"""Take, renew and release permits (`core.slots`)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from chalicelib.core.errors import Retry
from chalicelib.core.model import JobSpec
from chalicelib.core.retry import backoff_ms
from chalicelib.core.slots import Pool, Slot, Waiter, choose
from chalicelib.ports import CopyPartition, CopyTask, Env
from chalicelib.protocol.table import tell

TRIES = 4
"""How often a worker that loses a permit to another worker tries again."""
WAIT_MIN_MS = 1_000
WAIT_BASE_MS, WAIT_MAX_MS = 2_000, 60_000
"""How long a message that got no permit rests: full jitter below a doubling bound. At the largest bound, thousands of
waiting messages keep only a few workers busy."""
ARRIVES_MS = 5_000
"""An allowance for a message's delivery and a cold start, beside its delay."""


@dataclass(slots=True)
class Slots:
    """The permits that one worker holds while it works on a partition."""

    env: Env
    renewed_ms: int
    held: list[Slot] = field(default_factory=list)

    def during(self, work: Callable[[], None]) -> None:
        """Do the work, then release the permits, however the work ended."""
        try:
            work()
        except Exception:
            self.free()
            raise
        self.free()

    def renew(self) -> None:
        """Renew the permits once a heartbeat, however often this is called."""
        now = self.env.clock.now_ms()
        if now - self.renewed_ms < self.env.policy.heartbeat_ms:
            return
        self.renewed_ms, until = now, now + self.env.policy.lease_ttl_ms
        renewed = [replace(slot, until_ms=until) for slot in self.held]
        self.held = [slot for slot in renewed if self._put(slot, slot.holder)]

    def free(self) -> None:
        """Release the permits. Crash before this: they expire."""
        held, self.held = self.held, []
        for slot in held:
            self._put(replace(slot, holder="", until_ms=0), slot.holder)

    def _put(self, slot: Slot, holder: str) -> bool:
        """Write a permit. Return False if it no longer belonged to this worker."""
        try:
            kept = self.env.ledger.swap_slot(slot, holder)
        except Retry as error:
            self.env.log("slot-not-told", pool=slot.pool, number=slot.number, error=str(error))
            return True
        if not kept:
            # It expired, and another worker took it. There is one worker too many for a while, which does no harm.
            self.env.log("slot-lost", pool=slot.pool, number=slot.number)
        return kept


def pools_of(env: Env, spec: JobSpec) -> tuple[Pool, ...]:
    """Return the job's pools: that of its tenant, and those of its endpoints that had a limit when the job was
    accepted."""
    limits = {end.id: end.max_concurrency for end in (spec.source, spec.target) if end.max_concurrency is not None}
    return (
        Pool(f"tenant#{spec.tenant}", env.policy.tenant_partitions_max),
        *(Pool(f"endpoint#{spec.tenant}#{name}", size) for name, size in sorted(limits.items())),
    )


def take_slots(env: Env, spec: JobSpec, task: CopyTask) -> Slots | None:
    """Take a permit of each of the job's pools. If one of them has no free permit, return None; the task is then
    sent again, later.

    A waiting message holds no permits. If the table can't be read, the worker proceeds without a permit of that pool.
    It does the same if no permit is free when it takes a partition over: that partition was begun before those that are
    being copied, and the time of a takeover is promised to users.
    """
    slots = Slots(env, env.clock.now_ms())
    for pool in pools_of(env, spec):
        try:
            slot = _take(env, spec, pool)
        except Retry as error:
            # The permit may have been taken all the same; then it expires.
            env.log("without-a-slot", job=spec.job_id, pool=pool.name, error=str(error))
            continue
        if slot is not None:
            slots.held.append(slot)
        elif not (isinstance(task, CopyPartition) and task.takeover):
            slots.free()
            _send_again(env, spec, pool, task)
            return None
    return slots


def waits_for_slot(env: Env, spec: JobSpec) -> bool:
    """Tell whether messages of the job wait for a permit. Such messages come again, so they are not lost. Messages sent
    beside them would only wait, too. A waiter's note counts until the time at which its message should have come."""
    now = env.clock.now_ms()
    try:
        pools = [env.ledger.get_slots(env.region, pool.name) for pool in pools_of(env, spec)]
    except Retry as error:
        env.log("waiters-not-read", job=spec.job_id, error=str(error))
        return False
    return any(w.job_id == spec.job_id and now < w.until_ms for there in pools for w in there.waiters)


def _take(env: Env, spec: JobSpec, pool: Pool) -> Slot | None:
    weight = spec.priority.weight
    for _ in range(TRIES):
        there, now = env.ledger.get_slots(env.region, pool.name), env.clock.now_ms()
        found = choose(there, pool.size, spec.job_id, weight, now, env.rng.uniform())
        if found is None:
            return None
        number, before = found
        until = now + env.policy.lease_ttl_ms
        slot = Slot(env.region, pool.name, number, env.ids.nonce(), spec.job_id, weight, until)
        if env.ledger.swap_slot(slot, before):
            return slot
    return None


def _send_again(env: Env, spec: JobSpec, pool: Pool, task: CopyTask) -> None:
    delay_ms = WAIT_MIN_MS + backoff_ms(task.permit_waits, WAIT_BASE_MS, WAIT_MAX_MS, env.rng.uniform())
    until = env.clock.now_ms() + delay_ms + ARRIVES_MS
    tell(env, env.ledger.put_waiter, Waiter(env.region, pool.name, spec.job_id, spec.priority.weight, until))
    # Crash before the send: the message comes again by itself, later; or the sweep sends another one.
    env.queue.send([replace(task, permit_waits=task.permit_waits + 1)], delay_ms=delay_ms)
    env.log("waits-for-a-slot", job=spec.job_id, part=task.partition, pool=pool.name, waited=task.permit_waits)
