"""Play the demo, step by step."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from local.cloud import Cloud
from local.demo import compare, counts, parallel
from local.demo.api import Api, Json
from local.demo.compare import Difference, Target
from local.demo.counts import WRITES, Counts
from local.demo.model import MIB, Facts, Found, Item, Route
from local.demo.report import Report, Requests, SecondRun
from local.demo.screen import Bar, Screen, count, size
from local.demo.store import Store
from local.demo.watch import Deadline, FeedWatch, JobWatch, wait_for
from local.deploy import REGIONS

POLICY = {"multipart_threshold_bytes": 8 * MIB, "part_size_bytes": 5 * MIB, "heartbeat_ms": 1000}
"""Small sizes, so that a few megabytes already go by multipart; and progress every second, for the bars."""
_JOB, _FEED = Route.JOB.value, Route.FEED.value
_REQUEST: Json = {
    "source": {"endpoint": "west-source", "prefix": _JOB.source_prefix},
    "target": {"endpoint": "east-target", "prefix": _JOB.target_prefix},
    "labels": {"from": "make demo"},
}


@dataclass
class Show:
    """One run, on a cloud that is up."""

    cloud: Cloud
    screen: Screen
    report: Report
    items: Sequence[Item]
    api: Api
    store: Store
    sent: dict[Target, Facts] = field(default_factory=dict)
    found: dict[Target, Found] = field(default_factory=dict)

    def play(self) -> None:
        start = counts.read(self.cloud.endpoint_url)
        self._upload()
        job = self._transfer()
        delivered = counts.read(self.cloud.endpoint_url)
        self.report.requests = self._requests(delivered.since(start))
        self._compare(job)
        compared = counts.read(self.cloud.endpoint_url)
        second_job = self._repeat()
        self.report.second = SecondRun(second_job, self._requests(counts.read(self.cloud.endpoint_url).since(compared)))
        self._check_again(self.report.second)
        self.report.repeated_api_requests = self.api.repeated
        self.report.finished = True

    def _of(self, route: Route) -> list[Item]:
        return [item for item in self.items if item.route is route]

    # ---- there -----------------------------------------------------------------------------------------------------

    def _upload(self) -> None:
        lanes = self._of(Route.JOB), self._of(Route.FEED)
        with (
            self.screen.step("upload", "Upload to West's source bucket"),
            self.screen.bars("outbox/", "inbox/") as bars,
        ):
            for items, bar in zip(lanes, bars, strict=True):
                self._upload_lane(items, bar)
        self.report.objects, self.report.by_feed = len(self.sent), len(lanes[1])
        self.report.bytes = sum(facts.size for facts in self.sent.values())

    def _upload_lane(self, items: Sequence[Item], bar: Bar) -> None:
        volume = 0
        with parallel.each(self._upload_one, items) as uploaded:
            for number, (target, facts) in enumerate(uploaded, start=1):
                self.sent[target] = facts
                volume += facts.size
                bar.show(number, len(items), f"{count(number)}/{count(len(items))} objects  {size(volume)}")

    def _upload_one(self, item: Item) -> tuple[Target, Facts]:
        return item.target, self.store.upload(item)

    def _transfer(self) -> Json:
        """Run the job until it is settled, and return it. By then the feed has delivered everything, or has stalled."""
        heading = "Transfer: outbox/ to East by a job, inbox/ to West's target by the feed"
        objects = len(self._of(Route.FEED))
        with self.screen.step("transfer", heading), self.screen.bars("job", "feed") as (job_bar, feed_bar):
            job = self._submit(job_bar)
            self.report.job = job.job
            deadline = Deadline(f"the {objects} deliveries of the feed", self.cloud.run.function_logs)
            feed = FeedWatch(self.store, feed_bar, deadline, objects)
            wait_for([job, feed] if objects else [job])
        if feed.given_up:
            self.screen.line(feed.given_up, "red")
        self.report.job = job.job
        return job.job

    def _submit(self, bar: Bar) -> JobWatch:
        job = self.api.submit(_REQUEST, idempotency_key=f"demo-{secrets.token_hex(8)}")
        return JobWatch(self.api, bar, Deadline(f"job {job['id']}", self.cloud.run.function_logs), job)

    # ---- and back --------------------------------------------------------------------------------------------------

    def _compare(self, job: Json) -> None:
        with self.screen.step("compare", "Download everything at both targets and compare"):
            versions = self._versions()
            self._download(versions)
            self._note("SHA-256, size, headers, metadata, tags, class", compare.objects(self.sent, self.found))
            self._note("each key written once, nothing else there", compare.versions(self.sent, versions))
            self._note("no upload left behind", self._open_uploads())
            items = self._of(Route.JOB)
            rows = compare.rows(items, self.api.objects(job["id"]), self.sent, self.found)
            outcomes = compare.outcomes(job, "COPIED", len(items))
            self._note("the API's account of the job, every row", [*outcomes, *rows])

    def _versions(self) -> Counter[Target]:
        return self.store.versions("west") + self.store.versions("east")

    def _download(self, versions: Counter[Target]) -> None:
        targets = [target for target in self.sent if target in versions]
        volume = 0
        with self.screen.bars("download") as (bar,), parallel.each(self._download_one, targets) as downloaded:
            for number, (target, found) in enumerate(downloaded, start=1):
                if found is not None:
                    self.found[target] = found
                    volume += found.facts.size
                bar.show(number, len(targets), f"{count(number)}/{count(len(targets))} objects  {size(volume)}")

    def _download_one(self, target: Target) -> tuple[Target, Found | None]:
        return target, self.store.download(target)

    def _open_uploads(self) -> Iterator[Difference]:
        for side in self.cloud.regions:
            for key in self.store.open_uploads(side):
                yield Difference(f"{side} target: {key}", "multipart upload", "none", "an open one")

    def _note(self, claim: str, differences: Sequence[Difference] | Iterator[Difference]) -> None:
        number = self.report.note(differences)
        self.screen.line(
            f"{claim:<46}{'ok' if not number else f'{count(number)} differences'}", "red" if number else ""
        )

    # ---- again -----------------------------------------------------------------------------------------------------

    def _repeat(self) -> Json:
        with self.screen.step("same job again", "The same job again"), self.screen.bars("job") as (bar,):
            watch = self._submit(bar)
            wait_for([watch])
        return watch.job

    def _check_again(self, second: SecondRun) -> None:
        outcomes = compare.outcomes(second.job, "UNCHANGED", len(self._of(Route.JOB)))
        self._note("every object UNCHANGED", outcomes)
        writes = second.requests.data.total(WRITES)
        differences = [Difference("the same job again", "write requests at data buckets", 0, writes)] if writes else []
        self._note("nothing written", differences)
        self._note("each key still written once", compare.versions(self.sent, self._versions()))

    def _requests(self, counted: Counts) -> Requests:
        """Return the product's own requests: those that came in by the functions' listeners."""
        west, east = self.cloud.regions["west"], self.cloud.regions["east"]

        def at(*buckets: str) -> Counts:
            return counted.s3(callers=REGIONS, buckets=buckets)

        return Requests(
            data=at(west.source_bucket, west.target_bucket, east.source_bucket, east.target_bucket),
            control=at(west.control_bucket, east.control_bucket),
            source=at(west.source_bucket),
            destination=at(east.target_bucket),
            job_objects=len(self._of(Route.JOB)),
        )
