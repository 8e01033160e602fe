"""Write a drill's results: out/drill.json for machines, out/drill.html for people. It is pure, except for the
writing."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from local.drill import judge
from local.drill.chart import timeline
from local.drill.model import Drill, Record
from local.drill.times import Promise


def write(drill: Drill, folder: Path) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    page, data = folder / "drill.html", folder / "drill.json"
    data.write_text(json.dumps(as_json(drill), indent=2) + "\n")
    page.write_text(as_html(drill))
    return page, data


def as_json(drill: Drill) -> dict[str, Any]:
    return {
        "ok": drill.ok,
        "error": drill.error,
        "seed": drill.seed,
        "scale": drill.scale,
        "began_at": moment(drill.began_ms),
        "seconds": drill.seconds,
        "promised_seconds": dict(drill.promise),
        "policy": dict(drill.policy),
        "emulated": list(drill.emulated),
        "machine": drill.machine,
        "commit": drill.commit,
        "logs": drill.logs,
        "cases": {record.case: case_json(record, drill) for record in drill.cases},
    }


def case_json(record: Record, drill: Drill) -> dict[str, Any]:
    return {
        "ok": record.ok,
        "title": record.title,
        **asdict(judge.counts(record.evidence)),
        "takeover_seconds": judge.takeover_seconds(record),
        "recovery_seconds": judge.recovery_seconds(record),
        "dns_seconds": judge.dns_seconds(record),
        "promised_seconds": dict(drill.promise),
        "scale": drill.scale,
        "seed": drill.seed,
        "error": record.error,
        "phases": [{"name": phase.name, "at": moment(phase.at_ms)} for phase in by_time(record)],
        "what_was_done": [{"at": moment(at_ms), "what": event} for at_ms, event in sorted(record.happened)],
        "takeovers": [asdict(takeover) | {"at": moment(takeover.at_ms)} for takeover in record.evidence.takeovers],
        "checks": [asdict(check) for check in record.checks],
    }


def as_html(drill: Drill) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    promise = Promise(**drill.promise)
    cases = [
        {
            "record": record,
            "counts": judge.counts(record.evidence),
            "takeover": judge.takeover_seconds(record),
            "recovery": judge.recovery_seconds(record),
            "dns": judge.dns_seconds(record),
            "chart": Markup(timeline(record, promise)),
            "done": [
                (f"{(at_ms - (record.death_ms or record.began_ms)) / 1000:+.1f} s", event)
                for at_ms, event in sorted(record.happened)
            ],
            "looked": record.evidence.looked_at_death,
            "since": "death" if record.death_ms else "beginning",
        }
        for record in drill.cases
    ]
    template = environment.get_template("page.html.j2")
    return template.render(drill=drill, cases=cases, promise=promise, began=moment(drill.began_ms), fails=_fails(drill))


def by_time(record: Record) -> list[Any]:
    return sorted(record.phases, key=lambda phase: phase.at_ms)


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fails(drill: Drill) -> list[str]:
    return [record.case for record in drill.cases if not record.ok]
