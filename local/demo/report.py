"""Write the demo's summary, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from local.demo.compare import Difference
from local.demo.counts import LISTS, WRITES, Counts
from local.demo.screen import Screen, count, size

_SHOWN = 20
EMULATED = (
    "Emulated: AWS itself, by ministack behind the gateway, which adds what that lacks and counts. Real: the zip and"
    " the template that AWS would get, every byte, every request. The times say nothing about AWS."
)


@dataclass
class Report:
    """The demo's findings. It is filled step by step, so that a run that breaks off still says how far it came."""

    objects: int = 0
    bytes: int = 0
    by_feed: int = 0
    differences: list[Difference] = field(default_factory=list)
    finished: bool = False
    error: str = ""
    job: dict[str, Any] = field(default_factory=dict)
    repeated_api_requests: int = 0
    requests: Requests | None = None
    second: SecondRun | None = None

    @property
    def ok(self) -> bool:
        return self.finished and not self.differences and not self.error

    def note(self, differences: Iterable[Difference]) -> int:
        """Keep the differences and return how many they are."""
        noted = list(differences)
        self.differences.extend(noted)
        return len(noted)


@dataclass(frozen=True)
class Requests:
    """The product's S3 requests of one run, by kind of bucket, and separately those at the job's own source and
    destination."""

    data: Counts
    control: Counts
    source: Counts
    """Requests at the bucket that the job reads from."""
    destination: Counts
    """Requests at the bucket that the job writes to."""
    job_objects: int

    @property
    def writes_per_object(self) -> float:
        return round(self.destination.total(WRITES) / self.job_objects, 4)

    @property
    def lists(self) -> int:
        return self.source.total(LISTS) + self.destination.total(LISTS)

    @property
    def lists_per_thousand(self) -> float:
        return round(self.lists * 1000 / self.job_objects, 2)


@dataclass(frozen=True)
class SecondRun:
    """The second run of the same job."""

    job: dict[str, Any]
    requests: Requests

    @property
    def writes(self) -> int:
        return self.requests.data.total(WRITES)


def write(path: Path, report: Report, screen: Screen, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(report, screen, seconds), indent=2) + "\n")


def as_json(report: Report, screen: Screen, seconds: float) -> dict[str, Any]:
    requests, second = report.requests, report.second
    data = requests.data.by_operation() if requests else {}
    control = requests.control.by_operation() if requests else {}
    return {
        "ok": report.ok,
        "objects": report.objects,
        "bytes": report.bytes,
        # In a run that broke off earlier nothing was compared; that is not the same as "no mismatches".
        "mismatches": len(report.differences) if report.finished or report.differences else None,
        "s3_requests_by_operation": {name: data.get(name, 0) + control.get(name, 0) for name in sorted(data | control)},
        "seconds": round(seconds, 2),
        "error": report.error or None,
        "first_differences": [difference.as_json() for difference in report.differences[:_SHOWN]],
        "objects_by_job": report.objects - report.by_feed,
        "objects_by_feed": report.by_feed,
        "s3_requests_on_data_buckets": data,
        "s3_requests_on_control_buckets": control,
        "seconds_by_phase": screen.seconds,
        "seconds_of_start": screen.phases,
        "job": _job(report.job, requests),
        "second_run": _second(second) if second else None,
        "repeated_api_requests": report.repeated_api_requests,
    }


def _job(job: dict[str, Any], requests: Requests | None) -> dict[str, Any]:
    return {
        "id": job.get("id"),
        "state": job.get("state"),
        "outcomes": job.get("outcomes", {}),
        "receipt_chain_sha256": job.get("receipt_chain_sha256"),
        "write_requests_per_object": requests.writes_per_object if requests else None,
        "lists_per_1000_objects": requests.lists_per_thousand if requests else None,
        "requests_at_the_destination_bucket": requests.destination.by_operation() if requests else {},
    }


def _second(second: SecondRun) -> dict[str, Any]:
    return {
        **_job(second.job, second.requests),
        "write_requests": second.writes,
        "s3_requests_on_data_buckets": second.requests.data.by_operation(),
        "s3_requests_on_control_buckets": second.requests.control.by_operation(),
    }


def show(report: Report, screen: Screen, seconds: float, path: Path) -> None:
    """Print the summary on the screen."""
    screen.console.print()
    if report.requests and report.second:
        for section in (
            _facts(report, report.requests, report.second),
            _requests(report.requests, report.second.requests),
            _seconds(screen, seconds),
            Text(EMULATED, "dim"),
        ):
            screen.console.print(section)
            screen.console.print()
    if report.differences:
        screen.console.print(f"{count(len(report.differences))} differences; the first:", style="bold red")
        for difference in report.differences[:_SHOWN]:
            screen.line(difference.told())
    if report.ok:
        screen.console.print("OK: everything arrived, once, as it was sent.", style="bold green")
    else:
        reason = report.error or "not everything arrived as it was sent."
        screen.console.print(f"FAILED: {reason}", style="bold red", soft_wrap=True)
    screen.console.print(f"Details: {path}", soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(columns[0], no_wrap=True, min_width=24)
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _facts(report: Report, requests: Requests, second: SecondRun) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True, min_width=24)
    table.add_column()
    by_job = report.objects - report.by_feed
    for name, value in (
        ("Objects", f"{count(report.objects)}: {count(by_job)} by the job, {count(report.by_feed)} by the feed"),
        ("Bytes", f"{count(report.bytes)} ({size(report.bytes)})"),
        ("Mismatches", count(len(report.differences))),
        ("Writes an object", f"{requests.writes_per_object} at the job's destination, requests of multipart included"),
        ("LISTs", f"{_told_lists(requests)}, at the job's source and destination together"),
        ("The same job again", _told_again(second)),
    ):
        table.add_row(name, value)
    return table


def _told_again(second: SecondRun) -> str:
    outcomes = ", ".join(f"{count(number)} {outcome}" for outcome, number in second.job["outcomes"].items() if number)
    return f"{outcomes}; {count(second.writes)} copies; LISTs: {_told_lists(second.requests)}"


def _told_lists(requests: Requests) -> str:
    return f"{count(requests.lists)}, {requests.lists_per_thousand} per 1,000 objects"


def _requests(first: Requests, second: Requests) -> Table:
    """Return a table of the product's own requests. The demo's uploads and downloads are not among them."""
    columns = [requests.by_operation() for requests in (first.data, first.control, second.data, second.control)]
    table = _table("S3 requests", "data buckets", "control", "again: data", "control")
    for operation in sorted({name for column in columns for name in column}):
        table.add_row(operation, *(count(column[operation]) if operation in column else "" for column in columns))
    table.add_section()
    table.add_row("all", *(count(sum(column.values())) for column in columns))
    return table


def _seconds(screen: Screen, total: float) -> Table:
    table = _table("Seconds", "")
    for name, seconds in screen.seconds.items():
        table.add_row(name, f"{seconds:.1f}")
    table.add_section()
    table.add_row("all", f"{total:.1f}")
    return table
