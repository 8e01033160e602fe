"""Run the command line of the simulation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulation.mutants.hunt import Found, hunt_all
from simulation.mutants.table import write_table
from simulation.run.faults import PAIRS
from simulation.run.many import Batch, play_many
from simulation.run.play import play
from simulation.run.scenario import draw
from simulation.run.situations import HELD_BACK, Situation

REPOSITORY = Path(__file__).resolve().parents[1]
OUT = REPOSITORY / "out"
BRANCH_SEEDS = 500
ALL_PAIRS_FROM = 50_000
"""From this number of seeds on, every pair of fault and call must have occurred."""
ALL_SITUATIONS_FROM = 5_000
"""From this number of seeds on, every situation must have occurred."""
SHOWN = 10


@click.group()
def main() -> None:
    """Play the real steps of both Regions on a virtual clock, over ports that fail."""


@main.command()
@click.option("--seeds", default=10_000, show_default=True, help="How many.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option("--seed", type=int, help="Play this one alone, and write down everything that happens.")
def simulate(seeds: int, first: int, seed: int | None) -> None:
    """Play seeds on all cores. Exits with 1 if an invariant is violated."""
    if seeds < 1:
        raise click.BadParameter("--seeds is at least 1")
    sys.exit(_replay(seed) if seed is not None else _play(first, seeds))


@main.command()
@click.option("--seeds", default=4000, show_default=True, help="How many a bug has to be found in.")
@click.option("--only", help="One mutant alone.")
def mutants(seeds: int, only: str | None) -> None:
    """Plant each bug and look for it. Exits with 1 if one is not found, or if one is found where none is planted."""
    started_s = time.monotonic()
    hunts: list[Found] = []
    with _progress("mutants", None) as advance:
        for hunt in hunt_all(seeds, only):
            hunts.append(hunt)
            click.echo(hunt.line)
            advance(1)
    if not hunts:
        raise click.BadParameter(f"there is no mutant {only!r}")
    as_expected = [hunt for hunt in hunts if hunt.as_expected]
    if only is None:
        write_table(hunts)
    result = {
        "ok": len(as_expected) == len(hunts),
        "seconds": round(time.monotonic() - started_s, 1),
        "seeds_each": seeds,
        "mutants": [hunt.as_json() for hunt in sorted(hunts, key=lambda hunt: hunt.name)],
    }
    _write("mutants.json", result)
    click.echo(f"{len(as_expected)} of {len(hunts)} as expected, {result['seconds']} s")
    sys.exit(0 if result["ok"] else 1)


def _replay(seed: int) -> int:
    played = play(seed, traced=True)
    path = OUT / f"simulation-{seed}.txt"
    OUT.mkdir(exist_ok=True)
    path.write_text("\n".join([str(draw(seed)), "", *played.trace, ""]))
    for violation in played.violations:
        click.echo(f"VIOLATED after {violation.at_ms / 1000:.3f} s: {violation.invariant}: {violation.what}")
    click.echo(f"seed {seed}: {played.calls} calls, {sum(played.faults.values())} faults, digest {played.digest}")
    click.echo(f"{path.relative_to(REPOSITORY)} has all that happened")
    return 1 if played.violations else 0


def _play(first_seed: int, count: int) -> int:
    started_s = time.monotonic()
    total = Batch()
    with _progress("seeds", count) as advance:
        for batch in play_many(first_seed, count):
            for seed, invariant, detail in batch.violations[: max(0, SHOWN - len(total.violations))]:
                click.echo(f"seed {seed}: {invariant}: {detail}")
            total.add(batch)
            advance(batch.seeds)
    seconds = time.monotonic() - started_s
    ok = not total.violations and not (count >= ALL_PAIRS_FROM and total.missing)
    ok = ok and not (count >= ALL_SITUATIONS_FROM and total.unseen)
    result = _result(ok, first_seed, total, seconds)
    _write("simulation.json", result)
    _print_summary(result, total)
    return 0 if ok else 1


def _result(ok: bool, first_seed: int, total: Batch, seconds: float) -> dict[str, Any]:
    calls = sorted({call for _, call in PAIRS})
    return {
        "ok": ok,
        "first_seed": first_seed,
        "seeds": total.seeds,
        "violations": [
            dict(zip(("seed", "invariant", "what"), violation, strict=True)) for violation in total.violations
        ],
        "calls": total.calls,
        "faults": sum(total.pairs.values()),
        "seconds": round(seconds, 1),
        "cores": os.cpu_count(),
        "schedules_per_second": round(total.seeds / total.cpu_seconds, 1),
        "schedules_per_second_means": "of one core: seeds by the processes' own CPU time",
        "pairs": {
            "possible": len(PAIRS),
            "occurred": len(PAIRS) - len(total.missing),
            "missing": [f"{fault} at {call}" for fault, call in total.missing],
            "times": {call: {f: n for (f, c), n in sorted(total.pairs.items()) if c == call} for call in calls},
        },
        "situations": {
            "occurred": {
                situation.value: total.situations[situation] for situation in Situation if total.situations[situation]
            },
            "missing": [situation.value for situation in total.unseen],
        },
        "branches": _branches(first_seed, min(BRANCH_SEEDS, total.seeds)),
    }


def _branches(first_seed: int, count: int) -> dict[str, Any]:
    """Measure branches in a process of its own: the tracer has to be there before the product is imported."""
    command = [sys.executable, "-m", "simulation.run.branches", str(first_seed), str(count)]
    completed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(completed.stdout)
    return measured


def _print_summary(result: dict[str, Any], total: Batch) -> None:
    pairs, branches = result["pairs"], result["branches"]
    click.echo(f"{result['seeds']} seeds, {len(total.violations)} violations")
    click.echo(f"{result['calls']} calls, {result['faults']} faults")
    rate = f"{result['schedules_per_second']} schedules a second of one core"
    click.echo(f"{result['seconds']} s on {result['cores']} cores, {rate}")
    click.echo(f"{pairs['occurred']} of {pairs['possible']} pairs of fault and call occurred")
    click.echo(f"{len(result['situations']['occurred'])} of {len(Situation) - len(HELD_BACK)} situations occurred")
    for missing in result["situations"]["missing"]:
        click.echo(f"never occurred: {missing}")
    click.echo(f"{branches['percent']} % of the decision branches were taken ({branches['seeds']} seeds)")
    for seed in dict.fromkeys(seed for seed, _, _ in total.violations[:3]):
        click.echo(f"Look: make simulate SEED={seed}")


def _write(name: str, result: dict[str, Any]) -> None:
    OUT.mkdir(exist_ok=True)
    (OUT / name).write_text(json.dumps(result, indent=2) + "\n")


@contextmanager
def _progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show progress: a bar for people; for a log, a line at every tenth."""
    console = Console(stderr=True)
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        so_far = 0

        def advance(steps: int) -> None:
            nonlocal so_far
            bar.advance(task, steps)
            if total and not console.is_terminal and so_far * 10 // total != (so_far + steps) * 10 // total:
                click.echo(f"{so_far + steps} of {total} {label}", err=True)
            so_far += steps

        yield advance
