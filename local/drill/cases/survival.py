"""Check that East goes on while West is in trouble: East's feed, schedule, issuers' keys, sweeps and answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

from local.drill import collect
from local.drill.cases.steps import happened
from local.drill.customer import now_ms
from local.drill.inquirer import Inquirer, Passer
from local.drill.model import Record
from local.drill.stage import MIB, Stage, Work, small_sizes
from local.issuer import Issuer
from local.wait import WaitError, wait_until

FED, SCHEDULED = 12, 3
_SLACK_S = 60
"""Seconds for cold starts and a busy machine, on top of the times in the settings."""
_LOOK_AGAIN_S = 60
"""How old, in seconds, the authorizer's own copy of the keys may be. Not scaled."""


class Survival:
    def __init__(self, stage: Stage, record: Record) -> None:
        """Make the schedule, before the trouble begins."""
        self._stage, self._record = stage, record
        name = f"drill-{record.case}"
        self.feed = Work("feed", f"inbox/{name}/", "", stage.east, stage.east, {})
        """The feed `east-inbox`, from and to East's buckets."""
        self._scheduled = stage.work(record.case, "scheduled", small_sizes(Random(0), SCHEDULED), source=stage.east)
        self._schedule = f"/schedules/{name}"
        minutes = -(-stage.times.policy.schedule_interval_min_ms // 60_000)
        self._every_s, cron = 60 * minutes, f"*/{minutes} * * * *"
        self._etag = stage.send("PUT", self._schedule, {"cron": cron, "job": self._scheduled.body}).headers["etag"]
        self._inquirer: Inquirer | None = None
        self._passer = Passer(stage.cloud.api_url)
        self._rotated_at, self._began_ms = 0.0, 0

    def begin(self, elsewhere: Work) -> None:
        """Start the checks, once the trouble has begun. `elsewhere` is a job whose records are in West."""
        self._rotated_at, self._began_ms = time.monotonic(), now_ms()
        Issuer.load(self._stage.cloud.run.issuer_file).rotate()
        happened(self._record, now_ms(), "the issuer has a new signing key")
        job_path = f"/jobs/{elsewhere.job_id}"
        reads = (
            "/jobs",
            job_path,
            f"{job_path}/objects",
            "/feeds",
            "/endpoints",
            self._schedule,
            "/regions",
            "/health",
        )
        self._inquirer = Inquirer(
            self._stage.east.api_url,
            self._stage.token,
            [
                *(("GET", path, None) for path in reads),
                ("POST", "/jobs", elsewhere.body),
                ("POST", "/endpoints/west-source/check", None),
            ],
        )
        self._inquirer.start()
        self._passer.start()

    def deliver(self, rng: Random) -> None:
        """Drop objects for East's feed, and check that they arrive."""
        stage, work = self._stage, self.feed
        stage.watch(work)
        sizes = [*small_sizes(rng, FED - 1), 12 * MIB]
        stage.put(work, {f"{work.prefix}{index:03d}": size for index, size in enumerate(sizes)})
        bucket = work.target.target_bucket
        self._within(
            "East's own feed delivered as ever",
            lambda: set(work.sizes) <= set(collect.versions(stage, bucket, work.prefix)),
            _SLACK_S,
            f"{FED} objects",
        )

    def observe(self) -> None:
        """Check that the schedule has run and the new key is accepted, both since the trouble began."""
        refresh_s = self._stage.times.policy.keys_refresh_ms / 1000
        self._within(
            "East accepts its issuer's new key",
            lambda: self._stage.send("GET", "/jobs", token=self._stage.cloud.token(), check=False).status_code == 200,
            refresh_s + self._stage.times.sweep_s + _LOOK_AGAIN_S + _SLACK_S,
            "a token signed with it, counted from the rotation",
            since_s=self._rotated_at,
        )
        self._within(
            "East ran its schedule",
            lambda: bool(self._ran()),
            self._every_s + 2 * self._stage.times.sweep_s + _SLACK_S,
            f"an occurrence since the trouble began; every {self._every_s} s",
        )

    def end(self) -> None:
        """Stop the inquiries before West is well again: only answers during the trouble are judged."""
        if self._inquirer is not None:
            self._record.evidence.inquiries += self._inquirer.leave()
            self._inquirer = None
            self._passer.leave()

    def leave(self) -> None:
        self._stage.send("DELETE", self._schedule, if_match=self._etag)

    def _ran(self) -> list[dict[str, Any]]:
        """Return the schedule's runs since the trouble began whose jobs are settled."""
        runs: list[dict[str, Any]] = self._stage.api(self._stage.east.api_url, self._schedule)["runs"] or []
        succeeded = [run for run in runs if run["job_state"] == "SUCCEEDED"]
        return [run for run in succeeded if collect.epoch_ms(run["occurrence_at"]) >= self._began_ms]

    def _within(
        self, claim: str, holds: Callable[[], bool], limit_s: float, label: str, since_s: float | None = None
    ) -> None:
        started_s = time.monotonic() if since_s is None else since_s
        try:
            wait_until(holds, claim, max(5.0, limit_s - (time.monotonic() - started_s)))
        except WaitError:
            self._record.check(claim, False, f"{label}: not within {limit_s:.0f} s")
        else:
            self._record.check(claim, True, f"{label}: {time.monotonic() - started_s:.1f} s")
