"""Tenants who share the copy workers of a Region: the real steps on a virtual clock, as in the simulation, but with so
many workers and no more. Their queue is first in, first out, as a standard queue is at best."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from chalicelib.core.model import Endpoint, JobSpec, Priority
from chalicelib.core.policy import Policy
from chalicelib.protocol.submitting import Place, Submission
from chalicelib.steps import control
from simulation.memory.env import CONTROL, ENDPOINTS, SOURCE, WEST
from simulation.run.faults import Weather
from simulation.run.scenario import draw
from simulation.run.scheduler import Process
from simulation.run.story import HOUR, Scenario
from simulation.run.world import Mail, World

POLL_MS = 20
COPY_MS = 2_000
"""How long a worker is busy with a partition's one object: so that planning is faster than copying, as it is where a
partition has a thousand."""


def _calm(policy: Policy) -> Scenario:
    """Nothing fails, and nobody is there but who is asked below."""
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
    """`taken` is whose partitions were claimed, in order; `most`, how many of a tenant were copied at once at most."""

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
        """A job of so many partitions, of one object each."""
        env = self.stacks[WEST].env
        source, target = (self._endpoint(tenant, end) for end in ("source-west", "target-west"))
        env.declared_endpoints.update({source.id: source, target.id: target})
        for number in range(partitions):
            self.store.put(SOURCE[WEST], f"{source.prefix}{name}/{number:05d}", f"{tenant} {name} {number}".encode())
        wanted = Submission(tenant, name, Place(source.id, f"{name}/"), Place(target.id, f"{name}/"), priority=priority)

        def work() -> None:
            spec, _ = control.submit(env, wanted)
            self._specs[spec.job_id] = spec

        self.scheduler.start("submit", "", self.safely(work))

    def _endpoint(self, tenant: str, like: str) -> Endpoint:
        base = ENDPOINTS[like]
        prefix = f"{base.prefix}{tenant}/"
        return replace(base, id=f"{tenant}-{like}", tenant=tenant, prefix=prefix, max_concurrency=self._endpoint_max)

    def settled(self, tenant: str) -> bool:
        """All that the tenant has asked for has ended."""
        jobs = [spec.job_id for spec in self._specs.values() if spec.tenant == tenant]
        there = self.store.keys(CONTROL[WEST])
        return bool(jobs) and not any(f"open/{job_id}" in there for job_id in jobs)

    def run_until(self, done: Callable[[], bool], limit_ms: int = 6 * HOUR) -> int:
        """Returns how long it took."""
        began = self.scheduler.now_ms
        self.scheduler.run(began + limit_ms, done)
        assert done(), f"not within {limit_ms} ms; {len(self._queue)} messages wait"
        assert not self.monitors.violations, self.monitors.violations
        return self.scheduler.now_ms - began

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
        for tenant, many in Counter(spec.tenant for spec in self._claimed.values()).items():
            self.most[tenant] = max(self.most[tenant], many)
