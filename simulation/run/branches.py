"""Measure which decisions of the product the seeds reach: branch coverage, in a process of its own."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coverage import Coverage

MEASURED = ("chalicelib/core/", "chalicelib/protocol/", "chalicelib/steps/", "chalicelib/entry/handlers")


def measure(first_seed: int, count: int) -> dict[str, Any]:
    """Play the seeds under a tracer, which is slow. Return {"seeds", "branches", "taken", "percent", "files": {path:
    {"branches", "taken", "not_taken": ["line->line"]}}}."""
    coverage = Coverage(branch=True, source=["chalicelib"], concurrency=["greenlet"], data_file=None)
    coverage.start()
    from simulation.run.many import play_batch

    play_batch(range(first_seed, first_seed + count))
    coverage.stop()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    measured = {}
    for path, file_report in sorted(files.items()):
        if path.startswith(MEASURED) and file_report["summary"]["num_branches"]:
            measured[path] = {
                "branches": file_report["summary"]["num_branches"],
                "taken": file_report["summary"]["covered_branches"],
                "not_taken": [f"{line}->{to}" for line, to in file_report["missing_branches"]],
            }
    branches, taken = (sum(int(file[name]) for file in measured.values()) for name in ("branches", "taken"))
    return {
        "seeds": count,
        "branches": branches,
        "taken": taken,
        "percent": round(100 * taken / max(1, branches), 1),
        "files": measured,
    }


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
