"""Tenants who share the copy workers of a Region. The real steps run on a virtual clock, as in the simulation, but with
a fixed number of workers. The queue is first in, first out, which is the best that a standard queue does."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.jobs import JobSpec, Priority
from chalicelib.core.policy import Policy
from chalicelib.protocol.submitting import Location, Submission
from chalicelib.steps import control
from simulation.memory.env import CONTROL, ENDPOINTS, SOURCE, WEST
from simulation.run.faults import Weather
from simulation.run.scenario import draw
from simulation.run.scheduler import Process
from simulation.run.story import HOUR, Scenario
from simulation.run.world import Mail, World

POLL_MS = 20
COPY_MS = 2_000
"""How long a worker is busy with a partition's one object. Planning is then faster than copying, as it is where a
partition has a thousand objects."""


def _calm(policy: Policy) -> Scenario:
    """Return a scenario in which nothing fails, and which has no other tenants than those that a test adds."""
    return replace(
        draw(0),
        policy=policy,
        weather=Weather(0, ()),
        encryption="AES256",
        control_of=WEST,
        skew_ms=dict.fromkeys(CONTROL, 0),
        latency_ms=40,
        lag_ms=50,
        transit_ms=20,
        duplicates=0.0,
        pool_width=1,
        endpoint_max=None,
        runtime_ms=15 * 60_000,
        target_events=False,
        items=(),
        jobs=(),
        events=(),
        dead_for_good="",
    )


class Crowd(World):
    """`taken` has the job of each claimed partition, in order. `most` says how many partitions of a tenant were copied
    at once, at most."""

    def __init__(self, policy: Policy, workers: int, endpoint_max: int | None = None) -> None:
        self._workers, self._queue = workers, deque[Mail]()
        self._endpoint_max = endpoint_max
        self.taken: list[JobSpec] = []
        self.most: Counter[str] = Counter()
        self._claimed: dict[Process, JobSpec] = {}
        self._specs: dict[str, JobSpec] = {}
        super().__init__(_calm(policy), traced=False)
        self.calls.watch({"store.create": self._created, "store.copy": self._copied})
        self._poll()

    # --- tenants ----------------------------------------------------------------------------------------------

    def submit(self, tenant: str, partitions: int, priority: Priority = Priority.NORMAL, name: str = "job") -> None:
        """Submit a job of so many partitions. Each partition has one object."""
        env = self.stacks[WEST].env
        source, target = (self._endpoint(tenant, end) for end in ("source-west", "target-west"))
        env.declared_endpoints.update({source.id: source, target.id: target})
        for number in range(partitions):
            self.store.put(SOURCE[WEST], f"{source.prefix}{name}/{number:05d}", f"{tenant} {name} {number}".encode())
        submission = Submission(
            tenant, name, Location(source.id, f"{name}/"), Location(target.id, f"{name}/"), priority=priority
        )

        def work() -> None:
            spec, _ = control.submit(env, submission)
            self._specs[spec.job_id] = spec

        self.scheduler.start("submit", "", self.safely(work))

    def _endpoint(self, tenant: str, like: str) -> Endpoint:
        base = ENDPOINTS[like]
        prefix = f"{base.prefix}{tenant}/"
        return replace(base, id=f"{tenant}-{like}", tenant=tenant, prefix=prefix, max_concurrency=self._endpoint_max)

    def settled(self, tenant: str) -> bool:
        """Return whether every job of the tenant has ended."""
        jobs = [spec.job_id for spec in self._specs.values() if spec.tenant == tenant]
        keys = self.store.keys(CONTROL[WEST])
        return bool(jobs) and not any(f"open/{job_id}" in keys for job_id in jobs)

    def run_until(self, is_done: Callable[[], bool], limit_ms: int = 6 * HOUR) -> int:
        """Run until `done()` is true. Return how long it took, in ms."""
        began_ms = self.scheduler.now_ms
        self.scheduler.run(began_ms + limit_ms, is_done)
        assert is_done(), f"not within {limit_ms} ms; {len(self._queue)} messages wait"
        assert not self.monitors.violations, self.monitors.violations
        return self.scheduler.now_ms - began_ms

    # --- workers ----------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def _arrived(self, mail: Mail) -> None:
        if mail.queue == "copy":
            self._queue.append(mail)
        else:
            super()._arrived(mail)

    def _poll(self) -> None:
        busy = sum(process.name == "copy" for process in self.scheduler.processes)
        for _ in range(min(self._workers - busy, len(self._queue))):
            super()._arrived(self._queue.popleft())
        self.scheduler.at(self.scheduler.now_ms + POLL_MS, self._poll)

    def _copied(self, _process: Process, _: str, _args: tuple[object, ...], _answer: object) -> None:
        self.scheduler.wait(COPY_MS)

    def _created(self, process: Process, _: str, args: tuple[object, ...], answer: object) -> None:
        key = str(args[1])
        if "/copied/" in key:
            self._claimed.pop(process, None)
        if "/claim/" not in key or isinstance(answer, Exception):
            return
        spec = self._specs[key.split("/")[1]]
        self.taken.append(spec)
        self._claimed[process] = spec
        for tenant, count in Counter(spec.tenant for spec in self._claimed.values()).items():
            self.most[tenant] = max(self.most[tenant], count)
