"""`make bench-plan`: make a plan of 100,000 keys on the local cloud, measure its time and memory, and check its truth.

Both Regions are up, as for `make demo`: real processes, real HTTP, the zip that AWS would get. Objects of a few bytes
are put at the source. 10 of every 100 are at the target already, 5 are archived, and 5 are at the target in another
version. First a plan of a tenth of them is made, then one of all. After each, the memory of the processes that plan is
read from the kernel. Then the plan is approved, and when its job has settled every row is compared with the prediction.
Everything goes to out/plan.json; the exit code says whether the promises are kept.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
from botocore.config import Config

from local.cloud import Cloud
from local.deploy import CLIENT_CONFIG, session
from local.gateway.launch import WEST
from local.package import REPOSITORY
from local.processes import function_processes

OUT = REPOSITORY / "out" / "plan.json"
LIMIT_S = 120.0
"""The promised time, in seconds, for 100,000 keys."""
FLAT_MIB = 32.0
"""How much more memory, in MiB, the processes may hold for ten times the keys: the interpreter's own variations."""
THREADS = 8
POLL_S = 0.5
PAGE = 1000
FINAL = ("SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED")
Json = dict[str, Any]


@dataclass
class Bench:
    cloud: Cloud
    s3: Any
    http: httpx.Client

    # --- objects --------------------------------------------------------------------------------------------------

    def fill(self, prefix: str, count: int) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda number: self._put(prefix, number), range(count)):
                pass

    def _put(self, prefix: str, number: int) -> None:
        key, body, kind = f"{prefix}{number:06d}", str(number).encode(), number % 100
        source, target = self.cloud.regions["west"].source_bucket, self.cloud.regions["east"].target_bucket
        options = {"StorageClass": "GLACIER"} if 10 <= kind < 15 else {}
        self.s3.put_object(Bucket=source, Key=key, Body=body, **options)
        if kind < 10:
            self.s3.put_object(Bucket=target, Key=key, Body=body)
        elif 15 <= kind < 20:
            self.s3.put_object(Bucket=target, Key=key, Body=b"older")

    # --- plans and jobs -------------------------------------------------------------------------------------------

    def plan(self, prefix: str) -> tuple[Json, float]:
        """Make a plan. Return it, and the seconds from the request until it could be approved."""
        started_s = time.monotonic()
        ends = {
            "source": {"endpoint": "west-source", "prefix": prefix},
            "target": {"endpoint": "east-target", "prefix": prefix},
        }
        plan_id = self._call("POST", "/plans", ends, key=prefix)["id"]
        plan = self._until(lambda: self._call("GET", f"/plans/{plan_id}"), lambda view: view["state"] != "PLANNING")
        return plan, time.monotonic() - started_s

    def carry_out(self, plan_id: str) -> tuple[Json, float]:
        started_s = time.monotonic()
        self._call("POST", f"/plans/{plan_id}/approve")
        job = self._until(lambda: self._call("GET", f"/jobs/{plan_id}"), lambda view: view["state"] in FINAL)
        return job, time.monotonic() - started_s

    def rows(self, path: str) -> Iterator[Json]:
        cursor: str | None = None
        while True:
            page = self._call("GET", f"{path}?limit={PAGE}" + (f"&cursor={cursor}" if cursor else ""))
            yield from page["objects"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _until(self, look: Callable[[], Json], is_done: Callable[[Json], bool]) -> Json:
        while not is_done(view := look()):
            time.sleep(POLL_S)
        return view

    def _call(self, method: str, path: str, body: Json | None = None, key: str = "") -> Json:
        for _ in range(20):
            answer = self.http.request(method, path, json=body, headers={"Idempotency-Key": key} if key else {})
            if answer.status_code < 500:
                break
            time.sleep(POLL_S)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        decoded: Json = answer.json()
        return decoded

    # --- memory ---------------------------------------------------------------------------------------------------

    def peak_mib(self) -> float:
        """Return the most memory, in MiB, that any process of split has held so far, as the kernel counts it."""
        emulator = int(self.cloud.settings()["emulator"]["pid"])
        peaks = [
            _peak_mib(process.pid) for process in function_processes(emulator) if process.function.endswith("split")
        ]
        return max(peaks, default=0.0)


def _peak_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    peaks = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(next(peaks, "0")) / 1024


@click.command()
@click.option("--keys", default=100_000, show_default=True, help="How many to plan.")
def main(keys: int) -> None:
    """Plan many keys; measure time and memory, and compare the plan with its job."""
    figures: Json = {"keys": keys}
    with Cloud("bench-plan") as cloud:
        s3 = session(WEST).client(
            "s3",
            endpoint_url=cloud.endpoint_url,
            config=CLIENT_CONFIG.merge(Config(max_pool_connections=2 * THREADS)),
        )
        headers = {"Authorization": f"Bearer {cloud.token()}"}
        with httpx.Client(base_url=cloud.api_url, headers=headers, timeout=60, trust_env=False) as http:
            _measure(Bench(cloud, s3, http), keys, figures)
    figures["ok"] = _judge(figures)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2) + "\n")
    _say(f"{'as promised' if figures['ok'] else 'NOT as promised'}; {OUT.relative_to(REPOSITORY)}")
    sys.exit(0 if figures["ok"] else 1)


def _measure(bench: Bench, keys: int, figures: Json) -> None:
    _say(f"put {keys // 10 + keys} objects")
    bench.fill("small/", keys // 10)
    bench.fill("large/", keys)
    _, figures["tenth_seconds"] = bench.plan("small/")
    figures["tenth_peak_mib"] = bench.peak_mib()
    _say(f"plan of {keys // 10}: {figures['tenth_seconds']:.1f} s, peak {figures['tenth_peak_mib']:.0f} MiB")
    plan, figures["plan_seconds"] = bench.plan("large/")
    figures["plan_peak_mib"] = bench.peak_mib()
    _say(f"plan of {keys}: {figures['plan_seconds']:.1f} s, peak {figures['plan_peak_mib']:.0f} MiB")
    figures["plan"] = {name: plan[name] for name in ("state", "totals", "requests", "costs", "duration")}
    job, figures["job_seconds"] = bench.carry_out(plan["id"])
    figures["job"] = {name: job[name] for name in ("state", "reason", "outcomes")}
    _say(f"job: {job['state']} in {figures['job_seconds']:.1f} s: {job['outcomes']}")
    figures["rows"], figures["differences"] = _compare(bench, plan["id"])
    _say(f"{figures['rows']} rows compared, {len(figures['differences'])} differ")


def _compare(bench: Bench, plan_id: str) -> tuple[int, list[Json]]:
    """Compare plan and job row by row, in the order in which both are listed. Return the count and the differences."""
    count, differences = 0, []
    pairs = zip(bench.rows(f"/plans/{plan_id}/objects"), bench.rows(f"/jobs/{plan_id}/objects"), strict=True)
    for planned, carried_out in pairs:
        count += 1
        predicted, actual = (planned["key"], planned["outcome"]), (carried_out["key"], carried_out["outcome"])
        if predicted != actual:
            differences.append({"said": predicted, "did": actual})
    return count, differences


def _judge(figures: Json) -> bool:
    totals, outcomes = figures["plan"]["totals"], Counter(figures["job"]["outcomes"])
    predicted = Counter(totals["would_fail"])
    predicted += Counter(COPIED=totals["objects_to_copy"], UNCHANGED=totals["unchanged"])
    return (
        figures["plan_seconds"] < LIMIT_S
        and figures["plan_peak_mib"] - figures["tenth_peak_mib"] < FLAT_MIB
        and not figures["differences"]
        and figures["rows"] == figures["keys"] == totals["objects"]
        and predicted == outcomes
    )


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    main(prog_name="make bench-plan")
