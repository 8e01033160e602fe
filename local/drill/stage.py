"""Give the drill's cases a cloud, and everything that they do to it from outside."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from botocore.config import Config

from chalicelib.core.ids import job_id
from local.cloud import Cloud, RegionInfo
from local.deploy import CLIENT_CONFIG, session
from local.drill.customer import Customer
from local.drill.faults import Rules
from local.drill.model import DrillError, Record
from local.drill.sweeper import FUNCTION, Sweeper
from local.drill.times import MACHINE_S, Times
from local.drill.watcher import Watcher
from local.gateway.client import ControlError, control
from local.gateway.launch import EAST, WEST
from local.regions import NAMES, Intervention, Regions
from local.wait import wait_until

KIB, MIB = 1024, 1024 * 1024
TENANT = "demo"
_S3_CONFIG = CLIENT_CONFIG.merge(Config(max_pool_connections=16, retries={"total_max_attempts": 2, "mode": "standard"}))
_LOOK_CONFIG = CLIENT_CONFIG.merge(Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1}))
"""Configuration for a client that looks again and again, also at a storage that hangs."""
_INVOKE_CONFIG = CLIENT_CONFIG.merge(Config(read_timeout=90, retries={"total_max_attempts": 1, "mode": "standard"}))
_REACHED_S = 300.0
"""Time limit in seconds. Nothing is promised about it: a busy machine may take its time."""
FOREIGN_AGE_H, ORPHAN_AGE_H = 48, 25
_DOZEN = 12
_ANSWER_TIMEOUT_S = 35.0
_COLD_START_S = 240.0
"""How long the slowest of a dozen cold starts at once may take on a slow machine."""


@dataclass
class Work:
    """Objects under a prefix of a source bucket and the job that copies them."""

    name: str
    prefix: str
    key: str
    """The job's Idempotency-Key; "" for objects of a feed, for which no customer submits a job."""
    source: RegionInfo
    target: RegionInfo
    body: dict[str, Any]
    digests: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    customer: Customer | None = None

    @property
    def job_id(self) -> str:
        return job_id(TENANT, f"client:{self.key}", self.target.region)


class Stage:
    def __init__(self, cloud: Cloud, times: Times, seed: int, say: Callable[[str], None]) -> None:
        self.cloud, self.times, self.seed, self.say = cloud, times, seed, say
        self.west, self.east = cloud.regions["west"], cloud.regions["east"]
        self.regions = Regions.of(cloud)
        self.s3: Any = session(WEST).client("s3", endpoint_url=cloud.endpoint_url, config=_S3_CONFIG)
        self._looking: Any = session(WEST).client("s3", endpoint_url=cloud.endpoint_url, config=_LOOK_CONFIG)
        invokers = {region: self._lambda(region) for region in (WEST, EAST)}
        self.sweeper = Sweeper(invokers, times.sweep_s)
        self.token = cloud.token(tenant=TENANT)
        self._operator = cloud.token(tenant=TENANT, scope="read operate")
        self._watchers: list[Watcher] = []
        self._customers: list[Customer] = []
        self.foreign = {side: self._foreign_upload(info) for side, info in cloud.regions.items()}
        if times.scale != 1:
            self.sweeper.start()

    def _lambda(self, region: str) -> Any:  # noqa: ANN401 - boto3's client
        make: Any = session(region).client
        return make("lambda", endpoint_url=self.cloud.endpoint_url, config=_INVOKE_CONFIG)

    def _foreign_upload(self, info: RegionInfo) -> str:
        """Create another application's multipart upload, 48 h old, with a part in it."""
        target = {"Bucket": info.target_bucket, "Key": "another-application/backup.tar"}
        upload_id: str = self.s3.create_multipart_upload(**target)["UploadId"]
        self.s3.upload_part(**target, UploadId=upload_id, PartNumber=1, Body=b"x" * 1024)
        self.age(upload_id, FOREIGN_AGE_H)
        return upload_id

    def warm_up(self) -> float:
        """Start a dozen of East's API functions at once, and return how many seconds that took.

        East has clients of its own all the time, because both Regions always work. So clients that come over from West
        find functions running, and cold starts are not judged. How long they take shows how fast this machine is.
        """
        started_s = time.monotonic()
        with ThreadPoolExecutor(_DOZEN) as pool:
            list(pool.map(lambda _: self.send("GET", "/jobs", check=False, timeout_s=_COLD_START_S), range(_DOZEN)))
        took_s = time.monotonic() - started_s
        self.times = replace(self.times, machine_s=max(MACHINE_S, round(took_s, 1)))
        return took_s

    # ---- work ------------------------------------------------------------------------------------------------------

    def work(
        self,
        case: str,
        name: str,
        sizes: Sequence[int],
        target: RegionInfo | None = None,
        source: RegionInfo | None = None,
    ) -> Work:
        """Put objects of these sizes at the source, by default in West, for a target, by default in East. The job is
        not submitted yet."""
        source, target = source or self.west, target or self.east
        prefix = f"drill/{case}/{name}/"
        body = {
            "source": {"endpoint": f"{side(source.region).lower()}-source", "prefix": prefix},
            "target": {"endpoint": f"{side(target.region).lower()}-target", "prefix": prefix},
        }
        work = Work(name, prefix, f"drill-{self.seed}-{case}-{name}", source, target, body)
        self.put(work, {f"{prefix}{index:05d}": size for index, size in enumerate(sizes)})
        return work

    def put(self, work: Work, sizes: dict[str, int]) -> None:
        def upload(item: tuple[str, int]) -> None:
            key, size = item
            content = os.urandom(size)
            work.digests[key], work.sizes[key] = hashlib.sha256(content).hexdigest(), size
            self.s3.put_object(Bucket=work.source.source_bucket, Key=key, Body=content)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(upload, sizes.items()))

    def submit(self, work: Work, *, api_url: str = "") -> Customer:
        """Start a customer of the one name. Its job's target is watched from now on."""
        every_s = 0.5 if self.times.scale != 1 else 1.0
        work.customer = Customer(api_url or self.cloud.api_url, self.token, work.body, work.key, every_s)
        self._customers.append(work.customer)
        self.watch(work)
        work.customer.start()
        return work.customer

    def watch(self, work: Work) -> Watcher:
        large = [key for key, size in work.sizes.items() if size >= MIB]
        watcher = Watcher(self._looking, work.target.target_bucket, work.prefix, work.sizes, large)
        self._watchers.append(watcher)
        watcher.start()
        return watcher

    def leave(self, record: Record) -> None:
        """End the case: stop all customers and watchers, and record what they saw."""
        for customer in self._customers:
            customer.leave()
            record.evidence.views[customer.key] = list(customer.views)
            record.evidence.ids[customer.key] = list(customer.ids)
            record.evidence.retries += len(customer.errors)
            record.evidence.requests += customer.requests
        for watcher in self._watchers:
            watcher.leave()
            record.evidence.partial += watcher.partial
            record.evidence.looks += watcher.looks
        record.evidence.sweeps += self.sweeper.swept()
        self._customers, self._watchers = [], []

    # ---- the gateway -----------------------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        return control(self.cloud.endpoint_url, method, path, body)

    def faults(self, *groups: Rules) -> None:
        self.control("PUT", "faults", [rule for group in groups for rule in group])

    def fired(self) -> dict[str, int]:
        """Return how often each rule has fired."""
        return {rule["id"]: int(rule["fired"]) for rule in self.control("GET", "faults")}

    def reached(self, *names: str) -> None:
        """Wait until all these rules have fired."""

        def all_fired() -> bool:
            fired = self.fired()
            return all(fired[name] for name in names)

        wait_until(all_fired, f"reached: {', '.join(names)}", _REACHED_S)

    def requests(self, caller: str, operation: str, status: str = "") -> int:
        return sum(
            row["count"]
            for row in self.control("GET", "requests")["requests"]
            if row["caller"] == caller and row["operation"] == operation and status in ("", row["status"])
        )

    def age(self, upload_id: str, hours: float) -> None:
        self.control("PUT", "uploads/age", {"upload_id": upload_id, "age_hours": hours})

    def situation(self) -> str:
        """Describe the current situation, for people who have to find out why a case could not go on."""
        jobs = [
            f"{customer.key}: {customer.last.state if customer.last else 'no answer'}" for customer in self._customers
        ]
        refused = [customer.errors[-1][1] for customer in self._customers if customer.errors]
        try:
            health = self.control("GET", "routing")["health"]
            fired = {name: times for name, times in self.fired().items() if times}
        except (ControlError, OSError) as error:
            return f"The gateway does not answer: {error}"
        health_by_region = [
            f"{side(region)} {'healthy' if h['healthy'] else 'unhealthy'} ({h['detail']})"
            for region, h in health.items()
        ]
        statements = [
            *health_by_region,
            *jobs,
            f"rules that struck: {fired}",
            *refused[-1:],
            *map(str, self.sweeper.failed.items()),
        ]
        return "; ".join(statements)

    # ---- Regions ---------------------------------------------------------------------------------------------------

    def name_answers(self) -> str:
        """Return the Region that the one name leads to now. The request makes the resolver look again when its TTL is
        over."""
        self.api(self.cloud.api_url, "/health", check=False)
        region: str = self.control("GET", "routing")["resolver"]["region"] or ""
        return region

    def await_name(self, region: str, timeout_s: float) -> None:
        wait_until(lambda: self.name_answers() == region, f"the one name leads to {region}", timeout_s)

    def resolved_ms(self, region: str, since_ms: int) -> int | None:
        """Return when clients first got this Region's address, after `since_ms`; None if they didn't."""
        changes = self.control("GET", "routing")["changes"]
        times = [c["at_ms"] for c in changes if c["kind"] == "resolver" and c["region"] == region]
        return next((at for at in times if at >= since_ms), None)

    def sweeps_ended(self) -> int:
        """Return how many sweeps, of either Region, Lambda's timeout has ended since the cloud is up, by the emulator's
        log."""
        return (self.cloud.run.folder / "ministack.log").read_text(errors="replace").count(f"{FUNCTION} timed out")

    def resolver(self) -> list[tuple[int, str]]:
        changes = self.control("GET", "routing")["changes"]
        return [(c["at_ms"], c["region"]) for c in changes if c["kind"] == "resolver"]

    def noted(self, record: Record, intervention: Intervention) -> Intervention:
        record.happened += [
            (at_ms, f"{intervention.action} {intervention.region}: {step}") for at_ms, step in intervention.steps
        ]
        return intervention

    def kill(self, record: Record, region: str, **how: bool) -> None:
        self.sweeper.lull(NAMES[region])
        intervention = self.noted(record, self.regions.kill(region, **how))
        record.death_ms = intervention.steps[0][0]
        record.phase(f"{side(intervention.region)} dies", record.death_ms)
        self.say(f"  {side(intervention.region)} is dead: {len(intervention.pids)} processes killed")

    def hang(self, record: Record, region: str) -> None:
        self.sweeper.lull(NAMES[region])
        intervention = self.noted(record, self.regions.hang(region))
        record.death_ms = intervention.steps[0][0]
        record.phase(f"{side(intervention.region)} hangs", record.death_ms)
        self.say(f"  {side(intervention.region)} hangs: {len(intervention.pids)} processes stopped")

    def restore(self, record: Record, region: str) -> None:
        intervention = self.noted(record, self.regions.restore(region))
        self.sweeper.asleep.discard(intervention.region)
        record.returned_ms = intervention.began_ms
        record.phase(f"{side(intervention.region)} is back", intervention.steps[-1][0])
        self.say(f"  {side(intervention.region)} is back")

    def rest(self, sweeps: int = 3) -> None:
        """Wait until both Regions have swept a few times and the one name leads to West. A returned Region has then had
        time for whatever it still wanted to do."""
        self.await_name(WEST, 240 / self.times.scale + _REACHED_S)
        if self.times.scale == 1:
            self._sweep_by_schedule(sweeps)
            return
        goal = {region: rounds + sweeps for region, rounds in self.sweeper.rounds.items()}
        label = f"{sweeps} sweeps of each Region"
        wait_until(lambda: all(self.sweeper.rounds[r] >= n for r, n in goal.items()), label, _REACHED_S)

    def _sweep_by_schedule(self, sweeps: int) -> None:
        """Wait for sweeps of the real schedule. The region heartbeats count sweeps, whoever started them."""

        def heartbeats() -> dict[str, int]:
            return {view["region"]: view["heartbeat"] or 0 for view in self.operator("/regions")["regions"]}

        goal = {region: rounds + sweeps for region, rounds in heartbeats().items()}
        wait_until(
            lambda: all(heartbeats()[r] >= n for r, n in goal.items()), f"{sweeps} sweeps of each Region", 90 * sweeps
        )

    # ---- the API, without failover ---------------------------------------------------------------------------------

    def api(self, url: str, path: str, *, operator: bool = False, check: bool = True, **params: Any) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {self._operator if operator else self.token}"}
        for tries_left in (2, 1, 0):
            try:
                answer = _exchange("GET", f"{url}{path}", headers, params=params)
            except DrillError:
                if not check:
                    return None
                if not tries_left:
                    raise
                continue
            if answer.is_success:
                return answer.json()
            if check and not tries_left:
                raise _refused("GET", f"{url}{path}", answer)
        return None

    def operator(self, path: str, info: RegionInfo | None = None) -> Any:  # noqa: ANN401 - JSON
        """GET a path with an operator's token. East answers by default, because it lives in most cases."""
        return self.api((info or self.east).api_url, path, operator=True)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = "",
        check: bool = True,
        if_match: str = "",
        timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> httpx.Response:
        """Send one request to East's own API. Raises DrillError if no answer comes in time, or if the request is
        refused, unless `check` is False."""
        headers = {"Authorization": f"Bearer {token or self.token}"} | ({"If-Match": if_match} if if_match else {})
        url = f"{self.east.api_url}{path}"
        answer = _exchange(method, url, headers, timeout_s, json=body)
        if check and not answer.is_success:
            raise _refused(method, url, answer)
        return answer

    def post(self, url: str, work: Work) -> dict[str, Any]:
        """Submit the work's job once more under the same key, to a given Region. Raises DrillError if no answer
        comes in time, or if the job is refused."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": work.key}
        answer = _exchange("POST", f"{url}/jobs", headers, json=work.body)
        if not answer.is_success:
            raise _refused("POST", f"{url}/jobs", answer)
        decoded: dict[str, Any] = answer.json()
        return decoded


def _exchange(
    method: str,
    url: str,
    headers: dict[str, str],
    timeout_s: float = _ANSWER_TIMEOUT_S,
    **content: Any,  # noqa: ANN401 - httpx's own types
) -> httpx.Response:
    """Send one request with `content` (httpx's `json` or `params`). Raises DrillError if no answer comes in time."""
    try:
        return httpx.request(method, url, headers=headers, timeout=timeout_s, trust_env=False, **content)
    except httpx.TransportError as error:
        raise DrillError(f"{method} {url}: {error!r}") from error


def _refused(method: str, url: str, answer: httpx.Response) -> DrillError:
    return DrillError(f"{method} {url}: {answer.status_code} {answer.text[:300]}")


def side(region: str) -> str:
    return {WEST: "West", EAST: "East"}[region]


def small_sizes(rng: random.Random, count: int) -> list[int]:
    """Draw sizes from some hundred bytes to some ten KiB; one of them is zero."""
    return [0, *(rng.randrange(100, 48 * KIB) for _ in range(count - 1))]
