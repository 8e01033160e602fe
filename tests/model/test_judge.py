"""Each difference from the expectations in the table is a failure, in either direction."""

from dataclasses import replace

import pytest

from simulation.model.check import Check, CheckKind
from simulation.model.judge import CheckResult, deviation
from simulation.model.pan import Found
from simulation.model.report import as_json, explanation, line

SAFE = Check("large", CheckKind.SAFETY, "s3fence", ("ONLY1",), "an upload in use is never aborted")
BROKEN = Check("GC_AGE", CheckKind.BROKEN, "s3fence", ("ONLY1", "GC_AGE"), "aborted by age alone", "I5_IN_USE")
COMPLETE = Found(errors=0, states=1000, depth=50, memory_mb=200, violated=None, cut_short=None)
CAUGHT = replace(COMPLETE, errors=1, violated="I5_IN_USE")


@pytest.mark.parametrize(
    ("check", "result", "differs"),
    [
        (SAFE, COMPLETE, None),
        (SAFE, CAUGHT, "violated: I5_IN_USE"),
        (SAFE, replace(COMPLETE, cut_short="the search ran out of its memory"), "the search ran out of its memory"),
        (SAFE, replace(COMPLETE, errors=1), "1 errors that pan did not explain"),
        (SAFE, replace(COMPLETE, states=0), "no state was looked at"),
        (BROKEN, CAUGHT, None),
        # A search ends at the violation, so it means nothing that the search was not complete.
        (BROKEN, replace(CAUGHT, cut_short="the search was cut off at its maximum depth"), None),
        (BROKEN, COMPLETE, "I5_IN_USE was not violated"),
        (BROKEN, replace(CAUGHT, violated="BOUNDS"), "violated: BOUNDS"),
        (BROKEN, replace(COMPLETE, cut_short="pan did not finish"), "pan did not finish"),
    ],
)
def test_expected_against_found(check: Check, result: Found, differs: str | None):
    assert deviation(check, result) == differs


def test_the_report_for_machines():
    good = [CheckResult(SAFE, COMPLETE, 1.24, ""), CheckResult(BROKEN, CAUGHT, 0.5, "cd there && spin -t")]
    report = as_json(good, 2.0, "6.5.2")
    assert (report["ok"], report["seconds"], report["spin_version"], report["states"]) == (True, 2.0, "6.5.2", 2000)
    assert [held["configuration"] for held in report["safety"]] == ["large"]
    (caught,) = report["broken"]
    assert {key: caught[key] for key in ("variant", "expected", "caught", "property", "states")} == {
        "variant": "GC_AGE",
        "expected": "I5_IN_USE",
        "caught": True,
        "property": "I5_IN_USE",
        "states": 1000,
    }
    assert report["liveness"] == report["reachable"] == []
    assert not as_json([*good, CheckResult(SAFE, CAUGHT, 1.0, "")], 3.0, "6.5.2")["ok"]


def test_the_report_for_people():
    assert " ok " in line(CheckResult(SAFE, COMPLETE, 1.0, ""), 1, 2)
    failed = CheckResult(SAFE, CAUGHT, 1.0, "cd there && spin -t -p")
    assert "FAIL" in line(failed, 2, 2)
    assert "replay: cd there && spin -t -p" in explanation(failed)
