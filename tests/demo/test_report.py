import io
import json
from collections import Counter
from pathlib import Path

from rich.console import Console

from local.demo import report
from local.demo.compare import Difference
from local.demo.counts import Counts, Request
from local.demo.report import Report, Requests, SecondRun
from local.demo.screen import Screen, size


def counts(**by_operation):
    return Counts(Counter({Request("west", "s3", name, "b"): count for name, count in by_operation.items()}))


def full():
    job = {"id": "j", "state": "SUCCEEDED", "outcomes": {"COPIED": 1000}, "receipt_chain_sha256": "0"}
    second_job = {**job, "outcomes": {"UNCHANGED": 1000}}
    copies, lists = counts(CopyObject=1005, ListObjectsV2=1), counts(ListObjectsV2=2)
    first_requests = Requests(counts(CopyObject=1255, ListObjectsV2=3), counts(PutObject=9), lists, copies, 1000)
    second_requests = Requests(counts(ListObjectsV2=2), counts(PutObject=5), lists, counts(), 1000)
    return Report(
        objects=1250,
        bytes=5_000_000,
        by_feed=250,
        finished=True,
        job=job,
        requests=first_requests,
        second=SecondRun(second_job, second_requests),
    )


def shown(result):
    text = io.StringIO()
    screen = Screen(Console(file=text, markup=False, highlight=False))
    report.show(result, screen, 12.3, Path("out/demo.json"))
    return text.getvalue()


def as_json(result):
    return json.loads(json.dumps(report.as_json(result, Screen(), 12.345)))


def test_json_of_a_good_run():
    summary = as_json(full())
    assert (summary["ok"], summary["objects"], summary["bytes"], summary["mismatches"]) == (True, 1250, 5_000_000, 0)
    assert summary["s3_requests_by_operation"] == {"CopyObject": 1255, "ListObjectsV2": 3, "PutObject": 9}
    assert summary["seconds"] == 12.35
    assert summary["job"]["write_requests_per_object"] == 1.005
    assert summary["job"]["lists_per_1000_objects"] == 3.0
    assert summary["second_run"]["write_requests"] == 0
    assert summary["second_run"]["outcomes"] == {"UNCHANGED": 1000}


def test_json_of_a_run_that_broke_off_claims_nothing():
    summary = as_json(Report(error="no cloud"))
    assert (summary["ok"], summary["mismatches"], summary["error"]) == (False, None, "no cloud")
    assert summary["second_run"] is None


def test_differences_make_it_fail_and_the_first_are_told():
    result = full()
    assert result.note([Difference(f"key {number}", "size", 1, 2) for number in range(30)]) == 30
    assert not result.ok
    summary = as_json(result)
    assert (summary["ok"], summary["mismatches"], len(summary["first_differences"])) == (False, 30, 20)
    assert summary["first_differences"][0] == {"key": "key 0", "what": "size", "expected": "1", "found": "2"}
    text = shown(result)
    assert "30 differences; the first:" in text
    assert "'key 19': size: expected 1, found 2" in text
    assert "key 20" not in text
    assert "FAILED: not everything arrived as it was sent." in text


def test_the_summary_of_a_good_run():
    text = shown(full())
    assert "1,250: 1,000 by the job, 250 by the feed" in text
    assert "1,000 UNCHANGED; 0 copies; LISTs: 2, 2.0 per 1,000 objects" in text
    assert "Emulated: AWS itself" in text
    assert "OK: everything arrived" in text


def test_the_summary_of_a_run_that_broke_off():
    assert "FAILED: no cloud\n" in shown(Report(error="no cloud"))


def test_brackets_in_keys_are_no_markup():
    result = full()
    result.note([Difference("[red]key[/red]", "size", 1, 2)])
    assert "[red]key[/red]" in shown(result)


def test_sizes():
    assert [size(number) for number in (0, 999, 1000, 1_234_567, 5e9, 5e12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.2 MB",
        "5.0 GB",
        "5000.0 GB",
    ]
