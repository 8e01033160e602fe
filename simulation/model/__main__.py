"""Check every model: `python -m simulation.model`. It exits with 1 if anything differs from what the table expects."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from simulation.model.check import Check
from simulation.model.judge import CheckResult
from simulation.model.report import as_json, explanation, line
from simulation.model.run import REPOSITORY, ModelError, available_mb, cores, jobs_at_once, run_all
from simulation.model.table import CHECKS
from simulation.model.tools import ToolError, provide, spin_version

OUT = REPOSITORY / "out"
REPORT = OUT / "model.json"


@click.command()
@click.option("--only", multiple=True, metavar="TEXT", help="Only checks whose name contains this; may be repeated.")
@click.option("--jobs", type=click.IntRange(1, 8), help="Searches at once; by default 1 or 2, as memory allows.")
@click.option("--list", "listing", is_flag=True, help="Name the checks and what they show; run none.")
def main(only: tuple[str, ...], jobs: int | None, listing: bool) -> None:
    """Check the Spin models of the protocol (docs/model/), exhaustively within their bounds."""
    checks = [check for check in CHECKS if not only or any(text in check.name for text in only)]
    if not checks:
        raise click.BadParameter(f"no check's name contains {' or '.join(map(repr, only))}")
    if listing:
        _list(checks)
        return
    try:
        provide(click.echo)
        if len(checks) == len(CHECKS):
            REPORT.unlink(missing_ok=True)  # A report that is there afterwards is this run's.
        started_s = time.monotonic()
        at_once = jobs or jobs_at_once(cores(), available_mb())
        click.echo(
            f"{len(checks)} checks, {at_once} at once. Each is kept in {(OUT / 'model').relative_to(REPOSITORY)}/."
        )
        results = []
        for result in run_all(checks, OUT / "model", at_once):
            results.append(result)
            click.echo(line(result, len(results), len(checks)))
    except (ToolError, ModelError) as error:
        raise click.ClickException(str(error)) from error
    results.sort(key=lambda result: CHECKS.index(result.check))
    report = as_json(results, time.monotonic() - started_s, spin_version())
    if len(checks) == len(CHECKS):
        REPORT.write_text(json.dumps(report, indent=1) + "\n")
    _print_summary(results, report)
    sys.exit(0 if report["ok"] else 1)


def _list(checks: Sequence[Check]) -> None:
    for check in checks:
        click.echo(f"{check.kind:9} {check.name:20} {check.model}.pml {' '.join(check.flags)}: {check.shows}")


def _print_summary(results: Sequence[CheckResult], report: dict[str, Any]) -> None:
    for result in results:
        if result.deviation is not None:
            click.echo(explanation(result))
    as_expected = sum(result.deviation is None for result in results)
    click.echo(
        f"{'Passed' if report['ok'] else 'FAILED'}: {as_expected} of {len(results)} as expected, "
        f"{report['states']:,} states, {report['seconds']:.0f} s."
    )


if __name__ == "__main__":
    main()
