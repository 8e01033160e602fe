"""Run the drill: `python -m local drill`. It exits with 0 if every promise held, 1 if not."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from types import FrameType

import click

from local.drill import report
from local.drill.cases import CASES
from local.drill.model import Drill
from local.drill.show import Show
from local.drill.times import moments
from local.package import REPOSITORY

OUT = REPOSITORY / "out"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(case: str, scale: float, seed: int | None, times: int) -> None:
    if case not in (*CASES, "all"):
        raise click.BadParameter(f"there is no case {case!r}: {', '.join(CASES)} or all")
    if scale < 1:
        raise click.BadParameter("the scale is 1 or more")
    if times < 1:
        raise click.BadParameter("the number of drills is 1 or more")
    names = list(CASES) if case == "all" else [case]
    for number in _ENDING:
        signal.signal(number, _interrupt)
    # The seed is drawn and printed, so that a drill that failed can be played again.
    case_seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    sys.exit(0 if (_drill(names, scale, case_seed).ok if times == 1 else _many(names, scale, case_seed, times)) else 1)


def _many(names: list[str], scale: float, seed: int, times: int) -> bool:
    """Play `times` drills of one case each. Each drill has a seed of its own, from which its case and its moments are
    drawn. The first failure ends the run, so that out/drill.html shows it."""
    drills = []
    for drill_seed in range(seed, seed + times):
        drill = _drill([moments(drill_seed, "which").choice(names)], scale, drill_seed)
        drills.append(report.as_json(drill))
        (OUT / "drills.json").write_text(
            json.dumps({"ok": drill.ok, "wanted": times, "drills": drills}, indent=2) + "\n"
        )
        click.echo(f"{len(drills)} of {times} drills {'passed' if drill.ok else 'played: this one FAILED'}")
        if not drill.ok:
            return False
    return True


def _drill(names: list[str], scale: float, case_seed: int) -> Drill:
    started_s = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - started_s:6.1f} s  {text}")

    click.echo(
        f"Failover drill: {', '.join(names)}; times divided by SCALE={scale:g}; moments drawn from SEED={case_seed}"
    )
    show = Show(names, scale, case_seed, say)
    try:
        drill = show.run()
    except BaseException as error:
        report.write(show.result(f"the drill itself failed: {error!r}"), OUT)
        raise
    page, data = report.write(drill, OUT)
    _print_summary(drill)
    click.echo(f"{page.relative_to(REPOSITORY)} shows it, {data.relative_to(REPOSITORY)} has the numbers.")
    return drill


def _print_summary(drill: Drill) -> None:
    if drill.ok:
        click.echo(f"Passed: {len(drill.cases)} of {len(drill.cases)} cases, {drill.seconds:.0f} s.")
        return
    click.echo(f"FAILED{': ' + drill.error if drill.error else ''}")
    for record in drill.cases:
        failures = [f"{check.claim}: {check.evidence}" for check in record.checks if not check.ok]
        for line in [record.error, *failures] if record.error else failures:
            click.echo(f"  {record.case}: {line}")
    click.echo(f"Functions' logs: {drill.logs}. Again: make drill CASE=... SCALE={drill.scale:g} SEED={drill.seed}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Interrupt the drill once. Further signals are ignored, so that nothing interrupts the clean-up."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
