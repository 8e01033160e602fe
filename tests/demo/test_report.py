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
    again = {**job, "outcomes": {"UNCHANGED": 1000}}
    copies, lists = counts(CopyObject=1005, ListObjectsV2=1), counts(ListObjectsV2=2)
    first = Requests(counts(CopyObject=1255, ListObjectsV2=3), counts(PutObject=9), lists, copies, 1000)
    second = Requests(counts(ListObjectsV2=2), counts(PutObject=5), lists, counts(), 1000)
    return Report(
        objects=1250,
        bytes=5_000_000,
        by_feed=250,
        finished=True,
        job=job,
        requests=first,
        second=SecondRun(again, second),
    )


def shown(found):
    text = io.StringIO()
    screen = Screen(Console(file=text, markup=False, highlight=False))
    report.show(found, screen, 12.3, Path("out/demo.json"))
    return text.getvalue()


def as_json(found):
    return json.loads(json.dumps(report.as_json(found, Screen(), 12.345)))


def test_json_of_a_good_run():
    told = as_json(full())
    assert (told["ok"], told["objects"], told["bytes"], told["mismatches"]) == (True, 1250, 5_000_000, 0)
    assert told["s3_requests_by_operation"] == {"CopyObject": 1255, "ListObjectsV2": 3, "PutObject": 9}
    assert told["seconds"] == 12.35
    assert told["job"]["write_requests_per_object"] == 1.005
    assert told["job"]["lists_per_1000_objects"] == 3.0
    assert told["second_run"]["write_requests"] == 0
    assert told["second_run"]["outcomes"] == {"UNCHANGED": 1000}


def test_json_of_a_run_that_broke_off_claims_nothing():
    told = as_json(Report(error="no cloud"))
    assert (told["ok"], told["mismatches"], told["error"]) == (False, None, "no cloud")
    assert told["second_run"] is None


def test_differences_make_it_fail_and_the_first_are_told():
    found = full()
    assert found.note([Difference(f"key {number}", "size", 1, 2) for number in range(30)]) == 30
    assert not found.ok
    told = as_json(found)
    assert (told["ok"], told["mismatches"], len(told["first_differences"])) == (False, 30, 20)
    assert told["first_differences"][0] == {"key": "key 0", "what": "size", "expected": "1", "found": "2"}
    text = shown(found)
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
    found = full()
    found.note([Difference("[red]key[/red]", "size", 1, 2)])
    assert "[red]key[/red]" in shown(found)


def test_sizes():
    assert [size(number) for number in (0, 999, 1000, 1_234_567, 5e9, 5e12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.2 MB",
        "5.0 GB",
        "5000.0 GB",
    ]
