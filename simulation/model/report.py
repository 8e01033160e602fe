"""Report results to people and machines: a line for each check, and out/model.json."""

from collections.abc import Sequence
from typing import Any

from simulation.model.check import LIVENESS_VIOLATED, Check, Kind
from simulation.model.judge import Verdict

_NAME, _SHOWS, _FOUND = 20, 66, 18


def line(verdict: Verdict, number: int, total: int) -> str:
    check, found = verdict.check, verdict.found
    mark = "ok  " if verdict.deviation is None else "FAIL"
    came = found.violated or ("cut short" if found.cut_short else "none")
    return (
        f"[{number:2}/{total}] {mark} {check.kind:9} {check.name:{_NAME}} {check.shows:{_SHOWS}} "
        f"expected {expected(check):{_FOUND}} found {came:{_FOUND}} {found.states:>11,} states {verdict.seconds:6.1f} s"
    )


def expected(check: Check) -> str:
    return check.violates or "none"


def explanation(verdict: Verdict) -> str:
    """Return how a check deviates, and how to replay it."""
    flags = " ".join(verdict.check.defines)
    said = f"{verdict.check.name} ({verdict.check.model}.pml {flags}): {verdict.deviation}"
    return f"{said}\n  replay: {verdict.replay}" if verdict.replay else said


def as_json(verdicts: Sequence[Verdict], seconds: float, spin_version: str) -> dict[str, Any]:
    def of(kind: Kind) -> list[Verdict]:
        return [verdict for verdict in verdicts if verdict.check.kind is kind]

    return {
        "ok": all(verdict.deviation is None for verdict in verdicts),
        "seconds": round(seconds, 1),
        "spin_version": spin_version,
        "states": sum(verdict.found.states for verdict in verdicts),
        "safety": [_held(verdict) for verdict in of(Kind.SAFETY)],
        "liveness": [_held(verdict) for verdict in of(Kind.LIVENESS)],
        "broken": [_caught(verdict) for verdict in of(Kind.BROKEN)],
        "reachable": [_caught(verdict) for verdict in of(Kind.REACHABLE)],
    }


def _common(verdict: Verdict) -> dict[str, Any]:
    return {
        "model": verdict.check.model,
        "flags": list(verdict.check.flags),
        "shows": verdict.check.shows,
        "ok": verdict.deviation is None,
        "deviation": verdict.deviation,
        "states": verdict.found.states,
        "depth": verdict.found.depth,
        "memory_mb": verdict.found.memory_mb,
        "seconds": round(verdict.seconds, 1),
    }


def _held(verdict: Verdict) -> dict[str, Any]:
    return {"configuration": verdict.check.name, "errors": verdict.found.errors, **_common(verdict)}


def _caught(verdict: Verdict) -> dict[str, Any]:
    return {
        "variant": verdict.check.name,
        "expected": verdict.check.violates,
        "caught": verdict.deviation is None,
        "property": "LTL, weak fairness" if verdict.found.violated == LIVENESS_VIOLATED else verdict.found.violated,
        **_common(verdict),
    }
