"""Take, renew and release permits (`core.permits`)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from chalicelib.core.errors import Retry
from chalicelib.core.jobs import JobSpec
from chalicelib.core.permits import Permit, PermitRequest, Semaphore, choose
from chalicelib.core.retry import backoff_ms
from chalicelib.ports import CopyPartition, CopyTask, Env
from chalicelib.protocol.table import put_best_effort

TRIES = 4
"""How often a worker that loses a permit to another worker tries again."""
WAIT_MIN_MS = 1_000
WAIT_BASE_MS, WAIT_MAX_MS = 2_000, 60_000
"""How long a message that got no permit rests: full jitter below a doubling bound. At the largest bound, thousands of
waiting messages keep only a few workers busy."""
DELIVERY_MS = 5_000
"""The time that a message may take beyond its delay: for its delivery and a cold start."""


@dataclass(slots=True)
class HeldPermits:
    """The permits that one worker holds while it works on a partition."""

    env: Env
    renewed_ms: int
    held: list[Permit] = field(default_factory=list)

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
        renewed = [replace(permit, until_ms=until) for permit in self.held]
        self.held = [permit for permit in renewed if self._put(permit, permit.holder)]

    def free(self) -> None:
        """Release the permits. Crash before this: they expire."""
        held, self.held = self.held, []
        for permit in held:
            self._put(replace(permit, holder="", until_ms=0), permit.holder)

    def _put(self, permit: Permit, holder: str) -> bool:
        """Write a permit. Return False if it no longer belonged to this worker."""
        try:
            swapped = self.env.ledger.swap_permit(permit, holder)
        except Retry as error:
            self.env.log("permit-not-written", semaphore=permit.semaphore, number=permit.number, error=str(error))
            return True
        if not swapped:
            # It expired, and another worker took it. There is one worker too many for a while, which does no harm.
            self.env.log("permit-lost", semaphore=permit.semaphore, number=permit.number)
        return swapped


def semaphores_of(env: Env, spec: JobSpec) -> tuple[Semaphore, ...]:
    """Return the job's semaphores: that of its tenant, and those of its endpoints that had a limit when the job was
    accepted."""
    limits = {end.id: end.max_concurrency for end in (spec.source, spec.target) if end.max_concurrency is not None}
    return (
        Semaphore(f"tenant#{spec.tenant}", env.policy.tenant_partitions_max),
        *(Semaphore(f"endpoint#{spec.tenant}#{name}", size) for name, size in sorted(limits.items())),
    )


def take_permits(env: Env, spec: JobSpec, task: CopyTask) -> HeldPermits | None:
    """Take a permit of each of the job's semaphores. If one of them has no free permit, return None; the task is then
    sent again, later.

    A waiting message holds no permits. If the table can't be read, the worker proceeds without a permit of that
    semaphore. It does the same if no permit is free when it takes a partition over: that partition was begun before
    those that are being copied, and the time of a takeover is promised to users.
    """
    permits = HeldPermits(env, env.clock.now_ms())
    for semaphore in semaphores_of(env, spec):
        try:
            permit = _take(env, spec, semaphore)
        except Retry as error:
            # The permit may have been taken all the same; then it expires.
            env.log("without-a-permit", job=spec.job_id, semaphore=semaphore.name, error=str(error))
            continue
        if permit is not None:
            permits.held.append(permit)
        elif not (isinstance(task, CopyPartition) and task.takeover):
            permits.free()
            _send_again(env, spec, semaphore, task)
            return None
    return permits


def waits_for_permit(env: Env, spec: JobSpec) -> bool:
    """Tell whether messages of the job wait for a permit. Such messages come again, so they are not lost. Further
    messages would only wait, too. A permit request counts until the time at which its message should have come."""
    now_ms = env.clock.now_ms()
    try:
        states = [env.ledger.get_semaphore(env.region, semaphore.name) for semaphore in semaphores_of(env, spec)]
    except Retry as error:
        env.log("permit-requests-not-read", job=spec.job_id, error=str(error))
        return False
    return any(
        request.job_id == spec.job_id and now_ms < request.until_ms for state in states for request in state.requests
    )


def _take(env: Env, spec: JobSpec, semaphore: Semaphore) -> Permit | None:
    weight = spec.priority.weight
    for _ in range(TRIES):
        state, now_ms = env.ledger.get_semaphore(env.region, semaphore.name), env.clock.now_ms()
        choice = choose(state, semaphore.size, spec.job_id, weight, now_ms, env.rng.uniform())
        if choice is None:
            return None
        number, holder = choice
        until_ms = now_ms + env.policy.lease_ttl_ms
        permit = Permit(env.region, semaphore.name, number, env.ids.nonce(), spec.job_id, weight, until_ms)
        if env.ledger.swap_permit(permit, holder):
            return permit
    return None


def _send_again(env: Env, spec: JobSpec, semaphore: Semaphore, task: CopyTask) -> None:
    delay_ms = WAIT_MIN_MS + backoff_ms(task.permit_waits, WAIT_BASE_MS, WAIT_MAX_MS, env.rng.uniform())
    until_ms = env.clock.now_ms() + delay_ms + DELIVERY_MS
    put_best_effort(
        env,
        env.ledger.put_permit_request,
        PermitRequest(env.region, semaphore.name, spec.job_id, spec.priority.weight, until_ms),
    )
    # Crash before the send: the message comes again by itself, later; or the sweep sends another one.
    env.queue.send([replace(task, permit_waits=task.permit_waits + 1)], delay_ms=delay_ms)
    env.log(
        "waits-for-a-permit",
        job=spec.job_id,
        partition_id=task.partition_id,
        semaphore=semaphore.name,
        waited=task.permit_waits,
    )
