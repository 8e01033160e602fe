"""Judge promised times while they pass: takeover, sweeps, the API's answers. It uses none of the product's own
calculations."""

from typing import Protocol

from chalicelib.core import codec
from chalicelib.core.manifests import Claim
from chalicelib.core.policy import Policy
from simulation.memory.env import CONTROL
from simulation.memory.store import MemoryObjectStore
from simulation.run.scheduler import Process, Scheduler
from simulation.run.situations import Situation
from simulation.run.timeouts import request_ms, takeover_ms

SWEEP_MS = 55_000
"""Time, in milliseconds, after which Lambda ends a sweep (.chalice/config.json)."""
IN_TIME = "promised times are kept"


class Judge(Protocol):
    def violated(self, invariant: str, detail: str) -> None: ...
    def happens(self, situation: Situation) -> None: ...


class Promises:
    def __init__(self, scheduler: Scheduler, store: MemoryObjectStore, policy: Policy, judge: Judge) -> None:
        self._scheduler, self._store, self._policy, self._judge = scheduler, store, policy, judge

    # --- takeover ---------------------------------------------------------------------------------------------

    def died(self, region: str) -> None:
        """Record the claims of a Region that is dead, or hangs, while nothing else is wrong: another worker must soon
        hold them."""
        claims = {
            (control, job, partition_id): claim
            for control in sorted(CONTROL)
            for job, partition_id in sorted(self._open_partitions(control))
            if (claim := self._last_claim(control, job, partition_id)).region == region
        }
        due_ms = self._scheduler.now_ms + takeover_ms(self._policy)
        if claims:
            self._scheduler.at(due_ms, lambda: self._taken_over(region, claims))

    def _taken_over(self, region: str, claims: dict[tuple[str, str, str], Claim]) -> None:
        for (control, job, partition_id), claim in claims.items():
            is_open = (job, partition_id) in self._open_partitions(control)
            if is_open and self._last_claim(control, job, partition_id) == claim:
                limit_s = takeover_ms(self._policy) / 1000
                detail = f"{partition_id} of {job} is still {region}'s, {limit_s:g} s after its death"
                self._judge.violated(IN_TIME, detail)
        self._judge.happens(Situation.TAKEN_OVER_IN_TIME)

    def _open_partitions(self, control: str) -> set[tuple[str, str]]:
        """Return (job, partition) of each partition that is claimed and not copied."""
        names = [key.split("/") for key in self._store.keys(CONTROL[control]) if key.startswith("jobs/")]
        claimed = {(path[1], path[3]) for path in names if path[2] == "claim"}
        return claimed - {(path[1], path[3]) for path in names if path[2] in ("copied", "done")}

    def _last_claim(self, control: str, job: str, partition_id: str) -> Claim:
        prefix = f"jobs/{job}/claim/{partition_id}/"
        key = max(key for key in self._store.keys(CONTROL[control]) if key.startswith(prefix))
        version = self._store.current(CONTROL[control], key)
        assert version is not None
        return codec.loads(version.body, Claim)

    # --- sweep and API ----------------------------------------------------------------------------------------

    def sweep_cut(self, process: Process) -> None:
        """Judge a sweep that Lambda has ended."""
        if not process.faulted:
            self._judge.violated(IN_TIME, f"{process.label} was not done within {SWEEP_MS / 1000:g} s")

    def swept(self, process: Process) -> None:
        if process.hung:
            self._judge.happens(Situation.SWEPT_WHILE_SOMETHING_HANGS)

    def answered(self, process: Process, latency_ms: int) -> None:
        """Judge the time of an API request that was answered, by a success or a problem."""
        if not process.hung or process.faulted:
            return
        took_ms = self._scheduler.now_ms - process.started_ms
        if took_ms > request_ms(self._policy) + latency_ms:
            self._judge.violated(IN_TIME, f"{process.label} was answered after {took_ms} ms")
        self._judge.happens(Situation.ANSWERED_WHILE_SOMETHING_HANGS)
