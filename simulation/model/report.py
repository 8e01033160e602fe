"""Report results to people and machines: a line for each check, and out/model.json."""

from collections.abc import Sequence
from typing import Any

from simulation.model.check import LIVENESS_VIOLATED, Check, CheckKind
from simulation.model.judge import CheckResult

_NAME, _SHOWS, _FOUND = 20, 66, 18


def line(result: CheckResult, number: int, total: int) -> str:
    check, search = result.check, result.found
    mark = "ok  " if result.deviation is None else "FAIL"
    violation = search.violated or ("cut short" if search.cut_short else "none")
    return (
        f"[{number:2}/{total}] {mark} {check.kind:9} {check.name:{_NAME}} {check.shows:{_SHOWS}} "
        f"expected {expected(check):{_FOUND}} found {violation:{_FOUND}} "
        f"{search.states:>11,} states {result.seconds:6.1f} s"
    )


def expected(check: Check) -> str:
    return check.violates or "none"


def explanation(result: CheckResult) -> str:
    """Return how a check deviates, and how to replay it."""
    flags = " ".join(result.check.defines)
    text = f"{result.check.name} ({result.check.model}.pml {flags}): {result.deviation}"
    return f"{text}\n  replay: {result.replay}" if result.replay else text


def as_json(results: Sequence[CheckResult], seconds: float, spin_version: str) -> dict[str, Any]:
    def of(kind: CheckKind) -> list[CheckResult]:
        return [result for result in results if result.check.kind is kind]

    return {
        "ok": all(result.deviation is None for result in results),
        "seconds": round(seconds, 1),
        "spin_version": spin_version,
        "states": sum(result.found.states for result in results),
        "safety": [_held(result) for result in of(CheckKind.SAFETY)],
        "liveness": [_held(result) for result in of(CheckKind.LIVENESS)],
        "broken": [_caught(result) for result in of(CheckKind.BROKEN)],
        "reachable": [_caught(result) for result in of(CheckKind.REACHABLE)],
    }


def _common(result: CheckResult) -> dict[str, Any]:
    return {
        "model": result.check.model,
        "flags": list(result.check.flags),
        "shows": result.check.shows,
        "ok": result.deviation is None,
        "deviation": result.deviation,
        "states": result.found.states,
        "depth": result.found.depth,
        "memory_mb": result.found.memory_mb,
        "seconds": round(result.seconds, 1),
    }


def _held(result: CheckResult) -> dict[str, Any]:
    return {"configuration": result.check.name, "errors": result.found.errors, **_common(result)}


def _caught(result: CheckResult) -> dict[str, Any]:
    return {
        "variant": result.check.name,
        "expected": result.check.violates,
        "caught": result.deviation is None,
        "property": "LTL, weak fairness" if result.found.violated == LIVENESS_VIOLATED else result.found.violated,
        **_common(result),
    }
