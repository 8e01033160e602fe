"""Each line of the log is one JSON object, whatever it holds."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.adapters.system import log


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    log("copied", key="données/\n.csv", bytes=5, region=None)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("}\n")
    assert err.count("\n") == 1
    assert json.loads(err) == {"event": "copied", "key": "données/\n.csv", "bytes": 5, "region": None}


def test_half_a_surrogate_pair_does_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    log("odd", key="a\ud800b")
    assert json.loads(capsys.readouterr().err) == {"event": "odd", "key": "a\ud800b"}


def test_what_json_does_not_know_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    log("failed", error=ValueError("why"))
    assert json.loads(capsys.readouterr().err)["error"] == "why"


def test_trace_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        log("failed", trace=True)
    line = json.loads(capsys.readouterr().err)
    assert "ValueError: why" in line["traceback"]
    assert "trace" not in line


def test_lines_of_many_threads_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: log("line", n=n), range(500)))
    lines = [json.loads(line)["n"] for line in capsys.readouterr().err.splitlines()]
    assert sorted(lines) == list(range(500))
