"""Make a world for requests: jobs at every stage, objects of every kind, tokens of every scope."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from chalicelib import settings
from chalicelib.core.errors import Denied
from chalicelib.core.leases import Takeover
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import Policy
from chalicelib.steps import sweep
from simulation.memory.env import EAST, SOURCE, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from simulation.memory.state import ACCOUNT
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api, make_api
from tests.entry.environ import environ
from tests.entry.paths import WEBHOOK
from tests.entry.tokens import Signer, auth_json
from tests.tasks import carry_out

FAR_MS = 2_000_000_000_000
RENEW_AFTER_CASES = 300
"""Lists of thousands of jobs would only cost time."""
SCOPES = ("read write administer operate", "read write", "read", "write", "administer", "operate", "")
Location = dict[str, Any]
ENDS: tuple[tuple[Location, Location], ...] = (
    ({"endpoint": "source-west"}, {"endpoint": "target-east"}),
    ({"endpoint": "source-east", "prefix": "a b/"}, {"endpoint": "target-west", "prefix": "données/"}),
    ({"endpoint": "target-east", "prefix": "a/"}, {"endpoint": "target-east", "prefix": "b/"}),
)
"""These are sources and targets from which jobs can be made."""


DROPS = Bucket("acme-drops", WEST, ACCOUNT)
REGISTRABLE: dict[str, Any] = {"bucket": DROPS.name, "region": WEST, "owner_account": ACCOUNT, "prefix": "d/"}
"""This is the body for a location whose bucket carries the tenant's tag."""


@dataclass
class World:
    """A memory with jobs and tokens. From time to time a new memory with the same jobs replaces it."""

    signer: Signer
    tokens: tuple[str, ...]
    """These are values of the Authorization header: one for each of SCOPES; then another tenant's, one of an unknown
    issuer, and none at all ("")."""
    api: Api
    job_ids: list[str]
    cases: int = 0

    @staticmethod
    def make() -> "World":
        signer = _signer()
        mine = [f"Bearer {signer.token(scope=scope)}" for scope in SCOPES]
        theirs = f"Bearer {signer.token(scope='read write', tenant='other')}"
        nobodys = f"Bearer {signer.token(iss='https://elsewhere.example')}"
        api = _make_api(signer)
        return World(signer, (*mine, theirs, nobodys, ""), api, _make_jobs(api))

    def current(self) -> Api:
        return self.api

    @property
    def plan_ids(self) -> list[str]:
        return self.job_ids[3:5]

    def next(self) -> None:
        """Count a case, and renew the memory when its time has come."""
        self.cases += 1
        if self.cases % RENEW_AFTER_CASES == 0:
            self.api = _make_api(self.signer)
            self.job_ids = _make_jobs(self.api)

    def begin(self) -> None:
        """Begin with a new memory, without jobs."""
        self.api = _make_api(self.signer)
        self.job_ids = []

    def work(self, steps: int) -> None:
        """Carry out this many waiting messages."""
        with self.api.over(self.api.env):
            _work(self.api, steps)


@cache
def _signer() -> Signer:
    return Signer.make("ES256")


def _make_api(signer: Signer) -> Api:
    api = make_api(settings.read(environ(EFT_AUTH=auth_json(signer))), signer)
    api.env = replace(api.env, policy=Policy(partition_rows=3))
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    for name in ("0", "1", "2", "a b+c", "données", "\U0001f600", "new\nline", "x" * 1000):
        memory.put(SOURCE[WEST], f"in/{name}", name.encode())
    memory.make_bucket(DROPS, tags={"eft-tenants": "acme"})
    api.scope = "read write administer"
    with api.over(api.env):
        api.call("PUT", "/endpoints/drops", {**REGISTRABLE, "access": "read"})
        source, target = ENDS[0]
        nightly = {"cron": "0 * * * *", "job": {"source": source, "target": target}}
        api.call("PUT", "/schedules/nightly", nightly)
        api.call("PUT", "/webhooks/to-erp", WEBHOOK)
    api.store.rule(Rule(Operation.COPY, key="out/1", times=None, error=lambda: Denied("AccessDenied", "no")))
    return api


def _make_jobs(api: Api) -> list[str]:
    """Make six jobs and return their ids: one in the middle of its work, a cancelled one, a settled one that could not
    copy everything, a finished plan, an unfinished plan, and a new job."""
    with api.over(api.env):
        jobs = [_make_job(api, "middle", 2), _make_job(api, "cancelled", 0), _make_job(api, "settled", 100)]
        api.call("POST", f"/jobs/{jobs[1]}/cancel")
        _work(api, 100)
        sweep.run(api.env, FAR_MS)
        api.ledger.put_takeover(Takeover(jobs[0], "r-000001", 2, WEST, EAST, "worker-east", 240_000, 1_800_000_000_000))
        jobs += [_make_plan(api, "made", 100), _make_plan(api, "in-the-making", 0), _make_job(api, "new", 0)]
    return jobs


def _make_job(api: Api, key: str, steps: int) -> str:
    job_id: str = api.submit(key).json["id"]
    _work(api, steps)
    api.queue.tasks.clear()
    return job_id


def _make_plan(api: Api, prefix: str, steps: int) -> str:
    body = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east", "prefix": f"{prefix}/"}}
    plan_id: str = api.call("POST", "/plans", body).json["id"]
    _work(api, steps)
    api.queue.tasks.clear()
    return plan_id


def _work(api: Api, steps: int) -> None:
    for _ in range(steps):
        task = api.queue.take()
        if task is None:
            return
        carry_out(api.env, task, FAR_MS)
