"""Judge promised times while they pass: takeover, sweeps, the API's answers. It uses none of the product's own
calculations."""

from typing import Protocol

from chalicelib.core import codec
from chalicelib.core.model import Claim
from chalicelib.core.policy import Policy
from simulation.memory.env import CONTROL
from simulation.memory.store import MemoryObjectStore
from simulation.run.patience import request_ms, takeover_ms
from simulation.run.scheduler import Process, Scheduler
from simulation.run.situations import Situation

SWEEP_MS = 55_000
"""Time, in milliseconds, after which Lambda ends a sweep (.chalice/config.json)."""
IN_TIME = "promised times are kept"


class Judge(Protocol):
    def violated(self, invariant: str, what: str) -> None: ...
    def happens(self, situation: Situation) -> None: ...


class Promises:
    def __init__(self, scheduler: Scheduler, store: MemoryObjectStore, policy: Policy, judge: Judge) -> None:
        self._scheduler, self._store, self._policy, self._judge = scheduler, store, policy, judge

    # --- takeover ---------------------------------------------------------------------------------------------

    def died(self, region: str) -> None:
        """Record the claims of a Region that is dead, or hangs, while nothing else is wrong: another worker must soon
        hold them."""
        held = {
            (control, job, part): claim
            for control in sorted(CONTROL)
            for job, part in sorted(self._open_parts(control))
            if (claim := self._last_claim(control, job, part)).region == region
        }
        due_ms = self._scheduler.now_ms + takeover_ms(self._policy)
        if held:
            self._scheduler.at(due_ms, lambda: self._taken_over(region, held))

    def _taken_over(self, region: str, held: dict[tuple[str, str, str], Claim]) -> None:
        for (control, job, part), claim in held.items():
            if (job, part) in self._open_parts(control) and self._last_claim(control, job, part) == claim:
                late = f"{part} of {job} is still {region}'s, {takeover_ms(self._policy) / 1000:g} s after its death"
                self._judge.violated(IN_TIME, late)
        self._judge.happens(Situation.TAKEN_OVER_IN_TIME)

    def _open_parts(self, control: str) -> set[tuple[str, str]]:
        """Return (job, partition) of those that are claimed and not copied."""
        names = [key.split("/") for key in self._store.keys(CONTROL[control]) if key.startswith("jobs/")]
        claimed = {(path[1], path[3]) for path in names if path[2] == "claim"}
        return claimed - {(path[1], path[3]) for path in names if path[2] in ("copied", "done")}

    def _last_claim(self, control: str, job: str, part: str) -> Claim:
        prefix = f"jobs/{job}/claim/{part}/"
        key = max(key for key in self._store.keys(CONTROL[control]) if key.startswith(prefix))
        found = self._store.current(CONTROL[control], key)
        assert found is not None
        return codec.loads(found.body, Claim)

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
