"""Run `make fuzz`: send a number of generated requests, print a summary, write out/fuzz.json. The process exits
non-zero if an answer is not in order."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.fuzz.cases import Result, run

REPORT = Path(__file__).resolve().parents[2] / "out" / "fuzz.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a run")
    arguments = parser.parse_args()
    started = time.monotonic()
    result = run(arguments.cases, arguments.seed)
    seconds = round(time.monotonic() - started, 1)
    report(result, arguments.seed, seconds)
    return 1 if result.failures else 0


def report(result: Result, seed: int, seconds: float) -> None:
    """Print the report to the screen, and write it to REPORT."""
    for failure, how in result.failures.items():
        print(f"--- {failure}\n{how}")
    for operation, cases in sorted(result.operations.items()):
        counts = {name.rpartition(" ")[2]: n for name, n in sorted(result.statuses.items()) if name[:-4] == operation}
        print(f"{cases:7,}  {operation:30} " + "  ".join(f"{status}: {n}" for status, n in counts.items()))
    print(f"{result.cases:,} cases in {seconds} s (SEED={seed}): {len(result.failures)} failures")
    summary = {
        "cases": result.cases,
        "operations": result.operations,
        "failures": result.failures,
        "seconds": seconds,
        "seed": seed,
        "statuses": result.statuses,
    }
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
