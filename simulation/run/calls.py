"""Carry out every call that the product makes at a port. It takes time, others run meanwhile, and it may fail."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

from greenlet import GreenletExit

from chalicelib.core.errors import Conflict, EftError, NoAnswer, Retry
from chalicelib.ports import UploadRef
from simulation.run.faults import Fault, FaultPlan
from simulation.run.scheduler import Process, Scheduler
from simulation.run.situations import Situation
from simulation.run.story import Scenario
from simulation.run.timeouts import WORKERS, timeout_ms
from simulation.run.trace import Trace

PAUSE_MS = 20 * 60_000
DELAY_MS = 90_000
LATE_MS = 30 * 60_000
SWEEP_LATENCY_MS = 1_500
API_LATENCY_MS = 300
_HANGING = {
    "storage": Situation.STORAGE_HANGS,
    "table": Situation.TABLE_HANGS,
    "queue": Situation.QUEUE_HANGS,
}
Watch = Callable[[Process, str, tuple[Any, ...], Any], None]


class Calls:
    """Carries calls out. Each watch of a call, `watch(process, call, arguments, answer)`, is called at the moment that
    the call was carried out; the answer may be an error."""

    def __init__(
        self,
        scheduler: Scheduler,
        plan: FaultPlan,
        random: Random,
        scenario: Scenario,
        happened: Counter[Situation],
        trace: Trace,
    ) -> None:
        self._scheduler, self._plan, self._random, self._trace = scheduler, plan, random, trace
        self._happened = happened
        self._policy, self._latency_ms, self._stuck = scenario.policy, scenario.latency_ms, scenario.stuck
        self._spent: set[str] = set()
        """Uploads whose completion S3 answered with 409."""
        self.down: set[str] = set()
        """Services that can't be reached: "storage <region>", "table <region>"."""
        self.hanging: set[str] = set()
        """Services that accept requests and answer none: as in `down`, and "queue <region>"."""
        self.pairs: Counter[tuple[Fault, str]] = Counter()
        self.made = 0
        self._watches: defaultdict[str, list[Watch]] = defaultdict(list)

    def watch(self, watches: Mapping[str, Watch]) -> None:
        """Add watches, each for the call of its name."""
        for call, watch in watches.items():
            self._watches[call].append(watch)

    def port(self, name: str, real: object, methods: tuple[str, ...], needs: Callable[..., tuple[str, ...]]) -> Any:
        """Return a port whose calls go through here. `needs(*arguments)` names the services that a call needs."""
        port = type(name, (), {})()
        for method in methods:
            setattr(port, method, partial(self._call, f"{name}.{method}", getattr(real, method), needs))
        return port

    def _call(
        self, call: str, real: Callable[..., Any], needs: Callable[..., tuple[str, ...]], *args: Any, **kwargs: Any
    ) -> Any:
        self.made += 1
        fault = self._plan.draw(call)
        thread = self._scheduler.current()

        process = thread.process
        if fault is not None:
            self.pairs[fault, call] += 1
            process.faulted = True
            self._trace.fault(process, call, args, fault)
            return self._fail(
                fault, call, args, partial(self._carry_out, process, call, real, args, kwargs), needs(*args)
            )
        thread.in_flight = (process, call, real, args, kwargs)
        self._scheduler.wait(int(self._random.random() * self._latency(process)) + 1)
        thread.in_flight = None
        if self.down:
            self._reach(needs(*args), process)
        if self.hanging or self._stuck:
            self._hang_or_refuse(process, call, args, needs(*args), real, kwargs)
        if call in self._watches or self._trace.kept:
            return self._carry_out(process, call, real, args, kwargs)
        return real(*args, **kwargs)

    def _latency(self, process: Process) -> int:
        """Return the longest latency, in milliseconds, of a process' calls. A sweep's calls end within their budget,
        with an answer or without. The API gives up when all calls are slow."""
        if process.name in WORKERS:
            return self._latency_ms
        return min(self._latency_ms, SWEEP_LATENCY_MS if process.name == "sweep" else API_LATENCY_MS)

    def _reach(self, needed: tuple[str, ...], process: Process | None = None) -> None:
        for service in needed:
            if service in self.down:
                if process is not None:
                    process.cut_off = True
                raise NoAnswer("Unreachable", f"{service} can't be reached")

    def _hang_or_refuse(
        self,
        process: Process,
        call: str,
        args: tuple[Any, ...],
        needed: tuple[str, ...],
        real: Callable[..., Any],
        kwargs: dict[str, Any],
    ) -> None:
        """Wait in vain for a service that hangs; some of those requests are carried out all the same. Then refuse the
        call, or let it wait in vain, if it concerns an object that is refused for ever."""
        for service in needed:
            if service in self.hanging:
                self._happened[_HANGING[service.split()[0]]] += 1
                if self._random.random() < 0.3:
                    self._arrive(partial(self._carry_out, process, call, real, args, kwargs), ())
                self._wait_in_vain(process, call, peer=service.split()[1] != process.region)
                raise NoAnswer("NoAnswer", f"{call}: {service} hangs")
        stuck = self._stuck
        refusal = stuck.refuses(call, args) if stuck else None
        if refusal is not None:
            if isinstance(refusal, NoAnswer):
                self._wait_in_vain(process, call, peer=True)
            self._trace.call(process, call, args, refusal)
            raise refusal

    def _wait_in_vain(self, process: Process, call: str, *, peer: bool) -> None:
        process.hung = True
        self._scheduler.wait(timeout_ms(self._policy, process.name, call, peer=peer))

    def _carry_out(
        self, process: Process, call: str, real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        watches = self._watches.get(call, ())
        try:
            if self._spent and call == "store.complete" and args[0].upload_id in self._spent:
                raise Conflict("ConditionalRequestConflict", "the upload is spent")
            answer = real(*args, **kwargs)
        except EftError as error:
            self._trace.call(process, call, args, error)
            for watch in watches:
                watch(process, call, args, error)
            raise
        self._trace.call(process, call, args, answer)
        for watch in watches:
            watch(process, call, args, answer)
        return answer

    def _fail(
        self, fault: Fault, call: str, args: tuple[Any, ...], effect: Callable[[], Any], needed: tuple[str, ...]
    ) -> Any:
        scheduler = self._scheduler
        if fault is Fault.PAUSE_BEFORE:
            scheduler.wait(PAUSE_MS)
        scheduler.wait(self._random.randrange(DELAY_MS if fault is Fault.DELAY else self._latency_ms) + 1)
        if fault is Fault.DIE_BEFORE:
            scheduler.die()
        if fault in (Fault.DIE_LATE, Fault.LATE):
            scheduler.at(scheduler.now_ms + self._random.randrange(LATE_MS), partial(self._arrive, effect, needed))
            if fault is Fault.DIE_LATE:
                scheduler.die()
            raise NoAnswer("NoAnswer", f"{call}: no answer")
        if fault is Fault.REFUSE:
            raise Retry("SlowDown", f"{call}: Please reduce your request rate.")
        self._reach(needed)
        if fault is Fault.CONFLICT:
            if call == "store.complete":
                upload: UploadRef = args[0]
                self._spent.add(upload.upload_id)
            raise Conflict("ConditionalRequestConflict", f"{call}: a conflicting conditional operation is in progress")
        if fault is Fault.TWICE:
            self._arrive(effect, needed)
        answer = effect()
        if fault is Fault.DIE_AFTER:
            scheduler.die()
        if fault is Fault.LOSE_ANSWER:
            raise NoAnswer("NoAnswer", f"{call}: the answer was lost")
        if fault is Fault.PAUSE_AFTER:
            scheduler.wait(PAUSE_MS)
        return answer

    def _arrive(self, effect: Callable[[], Any], needed: tuple[str, ...]) -> None:
        """Carry out a request whose answer nobody awaits."""
        with suppress(EftError):
            self._reach(needed)
            effect()

    def still_arrive(self, process: Process) -> None:
        """Let requests that a process has sent arrive later, perhaps. Called before the process is killed."""
        for thread in process.threads:
            if thread.in_flight is not None and self._random.random() < 0.5:
                delay = self._random.randrange(LATE_MS)
                request = partial(self._carry_out, *thread.in_flight)
                self._scheduler.at(self._scheduler.now_ms + delay, partial(self._arrive, request, ()))


class PoolOfThreads:
    """Implements `ports.Pool`: items run concurrently, in threads that yield at every call."""

    def __init__(self, scheduler: Scheduler, width: int) -> None:
        self._scheduler, self._width = scheduler, width

    def map(self, work: Callable[[Any], Any], items: Any, tick: Callable[[], None] | None = None) -> list[Any]:
        todo = list(items)
        if not todo or (tick is None and (self._width == 1 or len(todo) == 1)):
            return [work(item) for item in todo]
        results: list[Any] = [None] * len(todo)
        errors: list[Exception] = []
        remaining = iter(enumerate(todo))

        def worker() -> None:
            for index, item in remaining:
                try:
                    results[index] = work(item)
                except GreenletExit:
                    raise
                except Exception as error:  # noqa: BLE001 - raised below, as a real pool does
                    errors.append(error)
                if errors:
                    return

        def tick_or_stop() -> None:
            if tick is not None and not errors:
                try:
                    tick()
                except Exception as error:  # noqa: BLE001 - what has not begun is not begun
                    errors.append(error)

        self._scheduler.side_by_side(
            [worker] * min(self._width, len(todo)), tick_or_stop if tick is not None else None, 1000
        )
        if errors:
            raise errors[0]
        return results
