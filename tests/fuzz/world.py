"""Something to ask about: jobs at every stage, objects of every kind, tokens of every scope."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from chalicelib import settings
from chalicelib.core.errors import Denied
from chalicelib.core.leases import Takeover
from chalicelib.core.model import Bucket
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
Place = dict[str, Any]
PLACES: tuple[tuple[Place, Place], ...] = (
    ({"endpoint": "source-west"}, {"endpoint": "target-east"}),
    ({"endpoint": "source-east", "prefix": "a b/"}, {"endpoint": "target-west", "prefix": "données/"}),
    ({"endpoint": "target-east", "prefix": "a/"}, {"endpoint": "target-east", "prefix": "b/"}),
)
"""Sources and targets of which jobs can be made."""


DROPS = Bucket("acme-drops", WEST, ACCOUNT)
REGISTRABLE: dict[str, Any] = {"bucket": DROPS.name, "region": WEST, "owner_account": ACCOUNT, "prefix": "d/"}
"""Of a place that says that it is the tenant's."""


@dataclass
class World:
    """One memory after another, with the same jobs and tokens."""

    signer: Signer
    tokens: tuple[str, ...]
    """Value of the Authorization header by scope; then another tenant's, one of nobody, and none at all ("")."""
    api: Api
    job_ids: list[str]
    asked: int = 0

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
        """One more case begins."""
        self.asked += 1
        if self.asked % RENEW_AFTER_CASES == 0:
            self.api = _make_api(self.signer)
            self.job_ids = _make_jobs(self.api)

    def begin(self) -> None:
        """Everything anew, without jobs."""
        self.api = _make_api(self.signer)
        self.job_ids = []

    def work(self, steps: int) -> None:
        """Carry out so many messages that wait."""
        with self.api.over(self.api.env):
            _work(self.api, steps)


@cache
def _signer() -> Signer:
    return Signer.make("ES256")


def _make_api(signer: Signer) -> Api:
    made = make_api(settings.read(environ(EFT_AUTH=auth_json(signer))), signer)
    made.env = replace(made.env, policy=Policy(partition_rows=3))
    memory = made.store.store
    assert isinstance(memory, MemoryObjectStore)
    for name in ("0", "1", "2", "a b+c", "données", "\U0001f600", "new\nline", "x" * 1000):
        memory.put(SOURCE[WEST], f"in/{name}", name.encode())
    memory.make_bucket(DROPS, tags={"eft-tenants": "acme"})
    made.scope = "read write administer"
    with made.over(made.env):
        made.call("PUT", "/endpoints/drops", {**REGISTRABLE, "access": "read"})
        source, target = PLACES[0]
        nightly = {"cron": "0 * * * *", "job": {"source": source, "target": target}}
        made.call("PUT", "/schedules/nightly", nightly)
        made.call("PUT", "/webhooks/to-erp", WEBHOOK)
    made.store.rule(Rule(Operation.COPY, key="out/1", times=None, error=lambda: Denied("AccessDenied", "no")))
    return made


def _make_jobs(api: Api) -> list[str]:
    """A job that stands in the middle, a cancelled one, a settled one that could not copy everything, a plan that is
    made, one that is being made, a new job."""
    with api.over(api.env):
        jobs = [_make_job(api, "middle", 2), _make_job(api, "cancelled", 0), _make_job(api, "settled", 100)]
        api.call("POST", f"/jobs/{jobs[1]}/cancel")
        _work(api, 100)
        sweep.run(api.env, FAR_MS)
        api.ledger.put_takeover(Takeover(jobs[0], "r-000001", 2, WEST, EAST, "worker-east", 240_000, 1_800_000_000_000))
        jobs += [_make_plan(api, "made", 100), _make_plan(api, "in-the-making", 0), _make_job(api, "new", 0)]
    return jobs


def _make_job(api: Api, key: str, steps: int) -> str:
    made: str = api.submit(key).json["id"]
    _work(api, steps)
    api.queue.tasks.clear()
    return made


def _make_plan(api: Api, prefix: str, steps: int) -> str:
    body = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east", "prefix": f"{prefix}/"}}
    made: str = api.call("POST", "/plans", body).json["id"]
    _work(api, steps)
    api.queue.tasks.clear()
    return made


def _work(api: Api, steps: int) -> None:
    for _ in range(steps):
        task = api.queue.take()
        if task is None:
            return
        carry_out(api.env, task, FAR_MS)
