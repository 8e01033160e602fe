"""Run processes on one virtual clock. One runs at a time: the same seed gives the same interleaving.

A process is a function's invocation, or a client. It has one thread or several (greenlets), and yields wherever it
waits: at every call of a port. Time passes only while all wait. A killed process never runs on, as under SIGKILL: no
`except Exception` of the product can survive it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Process:
    name: str
    region: str
    """"" for processes outside the product: customers, partners."""
    started_ms: int = 0
    alive: bool = True
    frozen: bool = False
    threads: "list[Thread]" = field(default_factory=list)
    held_threads: "list[tuple[Thread, int]]" = field(default_factory=list)
    """Threads (and their tokens) that would have gone on while it was frozen."""
    on_end: Callable[[bool], None] | None = None
    """Called when it has ended: by itself (True), or killed (False)."""
    job: str = ""
    """The job that it was started for, if any."""
    faulted: bool = False
    """True if something has gone wrong in it, or it was put to sleep."""
    hung: bool = False
    """True if it has waited for an answer that didn't come."""
    cut_off: bool = False
    """True if a dependency that it called could not be reached."""
    killed: bool = False
    seen_etags: dict[tuple[str, str], str] = field(default_factory=dict)
    """For monitors: the ETags under which it has seen objects at a destination, by (bucket, key)."""
    looked: dict[tuple[str, str], int] = field(default_factory=dict)
    """The number of the source version that was newest when it looked, by (bucket, key)."""
    gone_uploads: set[tuple[str, str]] = field(default_factory=set)
    """Objects whose upload it has found gone, and at which it has not looked since."""

    @property
    def disturbed(self) -> bool:
        """True if something in it took longer than it should."""
        return self.faulted or self.hung

    @property
    def label(self) -> str:
        return f"{self.region[7:11] or 'outside'} {self.name}"


class Thread(greenlet):
    """A thread of a process. `in_flight` is a request that has been sent and has not arrived yet."""

    def __init__(self, process: Process, work: Callable[[], object], hub: greenlet) -> None:
        super().__init__(work, hub)
        self.process = process
        self.token = 0
        self.in_flight: tuple[Any, ...] | None = None


class Scheduler:
    """The virtual clock (whole milliseconds from 0) and everything that is due on it."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.stop = False
        """Set by a monitor that has seen enough: nothing more runs."""
        self._hub = getcurrent()
        self._due: list[tuple[int, int, Thread | Callable[[], object], int]] = []
        self._order = count()
        self._live: dict[Process, None] = {}
        self._doomed: list[Process] = []

    # --- from outside -----------------------------------------------------------------------------------------

    def at(self, at_ms: int, act: Callable[[], object]) -> None:
        """Call `act` at that time, in one step. It must not wait; to do something that takes time, it starts a
        process."""
        heappush(self._due, (max(at_ms, self.now_ms), next(self._order), act, 0))

    def start(
        self, name: str, region: str, work: Callable[[], object], on_end: Callable[[bool], None] | None = None
    ) -> Process:
        process = Process(name, region, self.now_ms, on_end=on_end)
        self._live[process] = None
        self._thread(process, work)
        return process

    def run(self, until_ms: int, done: Callable[[], bool] | None = None) -> None:
        """Let time pass until `until_ms`, until `done` returns true (it is called after everything that happens), or
        until `stop`."""
        due = self._due
        while due and due[0][0] <= until_ms and not self.stop:
            self.now_ms, _, action, token = heappop(due)
            if isinstance(action, Thread):
                self._resume(action, token)
            else:
                action()
            while self._doomed:
                self._bury(self._doomed.pop())
            if done is not None and done():
                return
        if not self.stop:
            self.now_ms = max(self.now_ms, until_ms)

    @property
    def processes(self) -> list[Process]:
        return list(self._live)

    # --- from within a process --------------------------------------------------------------------------------

    def current(self) -> Thread:
        thread = getcurrent()
        assert isinstance(thread, Thread), "only processes call ports"
        return thread

    def runs(self, process: Process) -> bool:
        """Return whether the process itself is running now, rather than a request that it sent long ago."""
        thread = getcurrent()
        return isinstance(thread, Thread) and thread.process is process

    def wait(self, duration_ms: int) -> None:
        """Let so much time pass. Others run meanwhile."""
        until = self.now_ms + duration_ms
        if self._due and self._due[0][0] <= until:
            thread = self.current()
            heappush(self._due, (until, next(self._order), thread, thread.token))
            self._hub.switch()
            if not thread.process.alive:
                raise GreenletExit
        else:
            self.now_ms = until

    def die(self) -> None:
        """Kill the process that calls this."""
        process = self.current().process
        process.alive, process.killed = False, True
        self._doomed.append(process)
        raise GreenletExit

    def side_by_side(self, works: list[Callable[[], object]], tick: Callable[[], None] | None, every_ms: int) -> None:
        """Run these to their ends in threads of the calling process. Meanwhile `tick` is called from the calling thread
        every `every_ms` milliseconds. An exception of `tick` is raised when all have ended."""
        parent = self.current()
        running = len(works)

        def ended() -> None:
            nonlocal running
            running -= 1
            if running == 0:
                heappush(self._due, (self.now_ms, next(self._order), parent, parent.token))

        def ending(work: Callable[[], object]) -> Callable[[], None]:
            def run() -> None:
                work()
                ended()

            return run

        for work in works:
            self._thread(parent.process, ending(work))
        failure: Exception | None = None
        while running:
            if tick is not None and failure is None:
                heappush(self._due, (self.now_ms + every_ms, next(self._order), parent, parent.token))
            self._hub.switch()
            if tick is not None and failure is None and running:
                try:
                    tick()
                except Exception as error:  # noqa: BLE001 - raised below, as a real pool does
                    failure = error
        if failure is not None:
            raise failure

    # --- death and sleep --------------------------------------------------------------------------------------

    def kill(self, process: Process) -> None:
        """Kill a process where it waits. Call it from outside the process only."""
        if process.alive:
            process.alive, process.killed = False, True
            self._bury(process)

    def freeze(self, process: Process) -> None:
        process.frozen = True

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on as if no time had passed."""
        process.frozen = False
        for thread, token in process.held_threads:
            heappush(self._due, (self.now_ms, next(self._order), thread, token))
        process.held_threads.clear()

    # --- inside -----------------------------------------------------------------------------------------------

    def _thread(self, process: Process, work: Callable[[], object]) -> None:
        thread = Thread(process, work, self._hub)
        process.threads.append(thread)
        heappush(self._due, (self.now_ms, next(self._order), thread, 0))

    def _resume(self, thread: Thread, token: int) -> None:
        process = thread.process
        if thread.dead or token != thread.token or not process.alive:
            return
        if process.frozen:
            process.held_threads.append((thread, token))
            return
        thread.token += 1
        thread.switch()
        if thread.dead and process.alive and all(sibling.dead for sibling in process.threads):
            process.alive = False
            self._end(process, by_itself=True)

    def _bury(self, process: Process) -> None:
        for thread in process.threads:
            if not thread.dead:
                thread.throw(GreenletExit)
        self._end(process, by_itself=False)

    def _end(self, process: Process, *, by_itself: bool) -> None:
        if self._live.pop(process, process) is None and process.on_end is not None:
            process.on_end(by_itself)
