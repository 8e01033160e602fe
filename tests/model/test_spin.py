"""Run the real Spin on a few tiny configurations: one that holds, two that are broken. `make model` runs all of
them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.model.check import Check
from simulation.model.run import REPOSITORY, ModelError, run_check
from simulation.model.table import CHECKS
from simulation.model.tools import ToolError, provide


@pytest.fixture(scope="module", autouse=True)
def _spin() -> None:
    try:
        provide(print)
    except ToolError as error:
        pytest.skip(str(error))


def check(name: str) -> Check:
    return next(check for check in CHECKS if check.name == name)


def test_a_configuration_that_holds(tmp_path: Path):
    result = run_check(check("heartbeat-stall"), tmp_path / "run")
    assert result.deviation is None
    assert result.replay == ""
    assert result.found.states > 100


def test_a_broken_variant_is_caught_and_its_history_can_be_replayed(tmp_path: Path):
    result = run_check(check("BLIND"), tmp_path / "run")
    assert (result.deviation, result.found.violated) == (None, "I2_ONCE")
    replayed = subprocess.run(["bash", "-c", result.replay], capture_output=True, text=True, check=False).stdout
    assert "assertion violated" in replayed


def test_liveness(tmp_path: Path):
    result = run_check(check("WAIT_FOR_HELPERS"), tmp_path / "run")
    assert result.deviation is None


def test_a_model_that_spin_refuses_is_told(tmp_path: Path):
    refused = Check("refused", check("BLIND").kind, "naive_mrec", ("WEST=(",), "nothing")
    with pytest.raises(ModelError, match="spin -a"):
        run_check(refused, tmp_path / "run")


def test_the_command_runs_a_selection_and_leaves_the_report_of_a_full_run_alone():
    report = REPOSITORY / "out" / "model.json"
    before = report.read_bytes() if report.exists() else None
    done = subprocess.run(
        [sys.executable, "-m", "simulation.model", "--only", "naive-pinned"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Passed: 1 of 1 as expected" in done.stdout
    assert (report.read_bytes() if report.exists() else None) == before
    assert before is None or json.loads(before)["spin_version"]
