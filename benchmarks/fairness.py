"""`make bench-fairness`: measure how long a tenant with a small job waits beside a tenant with a lot of work.

The local cloud runs twice: once without fairness (the same code with limits that nobody reaches), once with it. In each
run, the quiet tenant's job is timed alone, and then beside the noisy tenant's backlog, which has been planned
completely before. Times are the service's own: from a job's acceptance until it has settled. CopyObject gets the same
delay throughout, so that the workers are the bottleneck, and not this machine's cores.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from local.cloud import Cloud
from local.demo.api import Api
from local.gateway.client import control
from local.gateway.launch import WEST
from local.package import REPOSITORY
from local.wait import wait_until

OUT = REPOSITORY / "out" / "fairness.json"
WORKERS = 4
ROWS = 20
"""Objects in a partition."""
COPY_DELAY_MS = 200
BASE = {"partition_rows": ROWS, "rows_in_flight": 1, "split_entries_per_run": 1000}
MODES: dict[str, dict[str, int]] = {
    "without": {"partitions_ahead": 1_000_000, "tenant_partitions_max": 1_000_000},
    "with": {"partitions_ahead": 8, "tenant_partitions_max": 3},
}
TENANTS = ("noisy", "quiet")
_ACCOUNT = "000000000000"
_LONG_S = 900.0


@click.command()
@click.option("--rounds", default=3, show_default=True, help="How often each is timed.")
@click.option("--objects", default=1000, show_default=True, help="Objects of the noisy tenant's job.")
def main(rounds: int, objects: int) -> None:
    """Time a quiet tenant's job alone and beside a noisy tenant, with and without fairness."""
    measured: dict[str, Any] = {}
    for mode, limits in MODES.items():
        with _cloud(f"fairness-{mode}", limits) as cloud:
            measured[mode] = Situation(cloud, objects).measure(rounds)
        click.echo(f"{mode} fairness: {json.dumps(measured[mode])}")
    for mode in MODES:
        measured[mode]["slower_than_alone"] = _ratio(measured[mode]["beside_s"], measured[mode]["alone_s"])
    result = {
        "method": __doc__,
        "machine": {"cores": os.cpu_count(), "load_1min": os.getloadavg()[0]},
        "copy_workers": WORKERS,
        "copy_delay_ms": COPY_DELAY_MS,
        "partition_rows": ROWS,
        "noisy": {"partitions": -(-objects // ROWS), "objects": objects},
        "quiet": {"partitions": 1, "objects": ROWS, "rounds": rounds},
        "policy": {mode: {**BASE, **limits} for mode, limits in MODES.items()},
        **measured,
        "without_takes_times_as_long": _ratio(measured["without"]["beside_s"], measured["with"]["beside_s"]),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    click.echo(f"{OUT.relative_to(REPOSITORY)}: {json.dumps({name: result[name] for name in ('without', 'with')})}")


def _seconds(job: Mapping[str, str]) -> float:
    took = datetime.fromisoformat(job["settled_at"]) - datetime.fromisoformat(job["created_at"])
    return round(took.total_seconds(), 2)


def _ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    return round(statistics.median(numerators) / statistics.median(denominators), 1)


@contextmanager
def _cloud(name: str, limits: Mapping[str, int]) -> Iterator[Cloud]:
    ends = [
        {
            "id": f"{tenant}-{end}",
            "tenant": tenant,
            "bucket": f"eft-{end}-{_ACCOUNT}-{WEST}",
            "region": WEST,
            "prefix": f"{tenant}/",
            "access": access,
        }
        for tenant in TENANTS
        for end, access in (("source", "read"), ("target", "write"))
    ]
    parameters = {"EndpointsJson": json.dumps(ends), "FeedsJson": "[]", "CopyConcurrency": str(WORKERS)}
    with Cloud(name, policy={**BASE, **limits}, parameters=parameters) as cloud:
        delay = {
            "id": "slow",
            "match": {"operation": "CopyObject"},
            "action": {"kind": "delay", "delay_ms": COPY_DELAY_MS},
        }
        control(cloud.endpoint_url, "PUT", "faults", [delay])
        yield cloud


class Situation:
    """Both tenants, their objects and their API clients."""

    def __init__(self, cloud: Cloud, objects: int) -> None:
        self._cloud = cloud
        self._apis = {tenant: Api(cloud.api_url, cloud.token(tenant=tenant)) for tenant in TENANTS}
        self._objects = objects
        self._fill("noisy", objects)
        self._fill("quiet", ROWS)

    def measure(self, rounds: int) -> dict[str, Any]:
        self._quiet("warm-up")  # The functions run for the first time.
        alone = [self._quiet(f"alone-{number}") for number in range(rounds)]
        beside, unfinished, noisy = zip(*(self._beside(number) for number in range(rounds)), strict=True)
        return {"alone_s": alone, "beside_s": beside, "noisy_partitions_left": unfinished, "noisy_s": noisy}

    def _beside(self, number: int) -> tuple[float, int, float]:
        """Return the quiet job's time in seconds, the number of the noisy tenant's partitions that were unfinished
        then, and the noisy job's time in seconds."""
        noisy = self._submit("noisy", f"noisy-{number}")
        partitions = -(-self._objects // ROWS)
        wait_until(lambda: self._progress(noisy)["planning_finished"], "all of it is planned", _LONG_S)
        took_s = self._quiet(f"beside-{number}")
        unfinished = partitions - self._progress(noisy)["partitions_done"]
        return took_s, unfinished, _seconds(self._settled("noisy", noisy))

    def _fill(self, tenant: str, count: int) -> None:
        s3, bucket = self._cloud.client("s3"), self._cloud.regions["west"].source_bucket
        with ThreadPoolExecutor(4) as pool:
            put_object: Callable[[int], object] = lambda number: s3.put_object(  # noqa: E731
                Bucket=bucket, Key=f"{tenant}/{number:06d}", Body=os.urandom(256)
            )
            list(pool.map(put_object, range(count)))

    def _submit(self, tenant: str, name: str) -> str:
        body = {
            "source": {"endpoint": f"{tenant}-source"},
            "target": {"endpoint": f"{tenant}-target", "prefix": f"{name}/"},
        }
        return str(self._apis[tenant].submit(body, name)["id"])

    def _quiet(self, name: str) -> float:
        """Return the seconds from the job's acceptance until it had settled."""
        return _seconds(self._settled("quiet", self._submit("quiet", name)))

    def _settled(self, tenant: str, job_id: str) -> dict[str, Any]:
        api = self._apis[tenant]
        wait_until(lambda: api.job(job_id)["state"] not in ("PLANNING", "RUNNING"), f"{job_id} has settled", _LONG_S)
        job = api.job(job_id)
        if job["state"] != "SUCCEEDED":
            raise click.ClickException(f"{tenant}'s job ended as {job['state']}: {job['reason']}")
        return job

    def _progress(self, job_id: str) -> dict[str, Any]:
        progress: dict[str, Any] = self._apis["noisy"].job(job_id)["progress"]
        return progress


if __name__ == "__main__":
    main(prog_name="make bench-fairness")
