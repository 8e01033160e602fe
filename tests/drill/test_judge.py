"""The judge finds each broken promise in the evidence, and finds it alone."""

from dataclasses import replace
from typing import Any

import pytest

from local.drill.judge import (
    counts,
    dns_seconds,
    handed_twice,
    judge,
    longest_wait,
    recovery_seconds,
    takeover_seconds,
    went_back,
)
from local.drill.model import Asked, Evidence, Held, Record, Swept, Takeover, View
from local.drill.times import Promise

PROMISE = Promise(dns=8, takeover=35, recovery=90)


def taken(at_ms: int) -> Takeover:
    return Takeover("job-1", "r-000001", "us-gov-west-1", "us-gov-east-1", at_ms, 12.0)


def view(done: int, region: str = "west", at_ms: int = 0) -> View:
    return View(at_ms, "job-1", "RUNNING", done, done * 10, region)


def evidence(**changes: Any) -> Evidence:
    """Return the evidence of a drill in which everything went well. One of its three objects was at its place before
    the death."""
    good = Evidence(
        source={"p/1": "a", "p/2": "b", "p/3": "c"},
        asked={"p/1", "p/2", "p/3"},
        target={"p/1": Held(("v1",), "a"), "p/2": Held(("v2",), "b"), "p/3": Held(("v3",), "c")},
        there_at_death={"p/1": ("v1",)},
        looks=9,
        rows={"p/1": "COPIED", "p/2": "COPIED", "p/3": "COPIED"},
        states={"job-1": "SUCCEEDED"},
        foreign_alive=True,
        parts_expected={"p/3": 2},
        parts_sent={"p/3": 2},
        takeovers=[taken(11_000)],
        views={"key": [view(0), view(1), view(3, "east")]},
        ids={"key": ["job-1", "job-1"]},
    )
    return replace(good, **changes)


def record(observed: Evidence, **changes: Any) -> Record:
    case = Record("a", "title", "story", 0, evidence=observed, death_ms=1_000, dns_ms=5_000, ended_ms=20_000)
    return replace(case, **changes)


def judged(observed: Evidence, **changes: Any) -> Record:
    case = record(observed, **changes)
    judge(case, PROMISE)
    return case


def broken(case: Record) -> list[str]:
    return [check.claim for check in case.checks if not check.ok]


def test_all_is_well() -> None:
    case = judged(evidence())
    assert broken(case) == []
    assert case.ok


def test_what_is_counted() -> None:
    numbers = counts(evidence())
    assert (numbers.objects, numbers.copied_before, numbers.copied_after) == (3, 1, 2)
    assert (numbers.copied_twice, numbers.partial_seen, numbers.lost, numbers.orphan_uploads) == (0, 0, 0, 0)
    assert numbers.parts_resent_of_finished == 0


@pytest.mark.parametrize(
    ("changes", "claim", "count"),
    [
        ({"target": {}, "there_at_death": {}}, "Every object is at the target", ("lost", 3)),
        ({"rows": {"p/1": "COPIED", "p/2": "FAILED", "p/3": "COPIED"}}, "Every object is at the", ("lost", 1)),
        ({"rows": {"p/1": "COPIED", "p/2": "COPIED"}}, "Every object is at the target", ("lost", 1)),
        ({"source": {"p/1": "other", "p/2": "b", "p/3": "c"}}, "Every object is at the target", ("lost", 1)),
        ({"partial": ["HEAD p/3: 5 bytes"]}, "No partial object", ("partial_seen", 1)),
        ({"looks": 0}, "No partial object", None),
        ({"uploads_left": ["p/3 u1"]}, "No multipart upload of ours", ("orphan_uploads", 1)),
        ({"foreign_alive": False}, "Another application's upload", None),
        ({"there_at_death": {"p/1": ("v0",)}}, "What was at the target when", None),
        ({"parts_sent": {"p/3": 5}}, "No part that had arrived", ("parts_resent_of_finished", 3)),
        ({"states": {"job-1": "PARTIAL"}}, "Every job SUCCEEDED", None),
        ({"ids": {"key": ["job-1", "job-2"]}}, "The same Idempotency-Key", None),
        ({"ids": {"key": []}}, "The same Idempotency-Key", None),
        ({"views": {"key": [view(3), view(1)]}}, "Progress never went backwards", None),
        ({"takeovers": []}, "Everything the dead Region held", None),
        ({"takeovers": [taken(5_000), taken(36_200)]}, "Everything the dead Region held", None),
    ],
)
def test_a_broken_promise_is_found(changes: dict[str, Any], claim: str, count: tuple[str, int] | None) -> None:
    case = judged(evidence(**changes))
    assert len(broken(case)) == 1
    assert broken(case)[0].startswith(claim)
    if count is not None:
        assert getattr(counts(case.evidence), count[0]) == count[1]
    assert not case.ok


def test_what_a_feed_delivered_has_no_row() -> None:
    assert broken(judged(evidence(asked=set(), rows={}))) == []


def test_a_second_version_is_an_object_written_twice() -> None:
    target = evidence().target | {"p/2": Held(("v9", "v2"), "b")}
    case = judged(evidence(target=target))
    assert counts(case.evidence).copied_twice == 1
    assert broken(case) == ["No object was written twice: one version each in a versioned bucket"]


def test_what_was_there_at_the_death_must_not_vanish() -> None:
    target = {key: held for key, held in evidence().target.items() if key != "p/1"}
    assert "What was at the target when the Region died was not touched again" in broken(
        judged(evidence(target=target))
    )


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"dns_ms": 9_200}, "The one name led"),
        ({"ended_ms": 91_200}, "All work was finished"),
        ({"ended_ms": None}, "All work was finished"),
    ],
)
def test_being_late_is_found(changes: dict[str, Any], claim: str) -> None:
    claims = broken(judged(evidence(), **changes))
    assert len(claims) == 1
    assert claims[0].startswith(claim)


def test_a_case_without_takeovers_is_not_judged_by_them() -> None:
    assert broken(judged(evidence(takeovers=[]), judge_takeover=False)) == []


def test_times_are_counted_from_the_death_or_from_the_return() -> None:
    case = record(evidence())
    assert (dns_seconds(case), takeover_seconds(case), recovery_seconds(case)) == (4.0, 10.0, 19.0)
    case.since_ms = 18_000
    assert recovery_seconds(case) == 2.0
    case.death_ms = case.since_ms = None
    assert (dns_seconds(case), takeover_seconds(case), recovery_seconds(case)) == (None, None, None)


def test_progress_may_lag_where_another_region_answers_but_not_within_one() -> None:
    assert went_back([view(5), view(3, "east"), view(4, "east")]) == (0, 2)
    assert went_back([view(5), view(3), view(9)]) == (2, 0)
    assert went_back([]) == (0, 0)


def test_a_case_that_could_not_go_on_has_failed() -> None:
    case = judged(evidence())
    case.error = "WaitError: not within 10 s"
    assert not case.ok


def test_a_case_without_any_evidence_has_failed() -> None:
    assert not record(evidence()).ok
    assert not judged(Evidence()).ok


def swept(took_ms: int, failure: str = "") -> Swept:
    return Swept("us-gov-east-1", 0, took_ms, failure)


@pytest.mark.parametrize(
    "sweeps",
    [[swept(900), swept(55_001)], [swept(900), swept(4_000, "Task timed out after 55.00 seconds")]],
)
def test_a_sweep_that_lambda_had_to_end_is_found(sweeps: list[Swept]) -> None:
    case = judged(evidence(sweeps=sweeps))
    assert broken(case) == ["Every sweep of a living Region ended by itself"]


def test_the_longest_sweep_is_told() -> None:
    (check,) = [
        check for check in judged(evidence(sweeps=[swept(900), swept(21_400)])).checks if "sweep" in check.claim
    ]
    assert check.ok
    assert check.evidence == "2 sweeps, longest 21.4 of 55 s (us-gov-east-1)"


def inquiry(sent_ms: int, took_ms: int, answer: str = "200", what: str = "GET /jobs") -> Asked:
    return Asked(sent_ms, took_ms, what, answer)


def test_answers_in_time_and_refusals_that_say_what_to_do_are_well() -> None:
    inquiries = [inquiry(2_000, 4_900), inquiry(3_000, 3_000, "503"), inquiry(3_000, 100, "404")]
    assert broken(judged(evidence(inquiries=inquiries, requests=[inquiry(6_000, 300, what="key")]))) == []


@pytest.mark.parametrize(
    "bad", [inquiry(2_000, 5_100), inquiry(2_000, 900, "502"), inquiry(2_000, 30_000, "ReadTimeout")]
)
def test_a_late_answer_is_found(bad: Asked) -> None:
    assert broken(judged(evidence(inquiries=[inquiry(1_500, 10), bad]))) == [
        "Whatever the living Region was asked, it answered within 5 s"
    ]
    fine, returned = [inquiry(1_500, 10)], 15_000
    at_switch = Asked(5_000, bad.took_ms, "key", bad.said)
    after = judged(evidence(inquiries=fine, requests=[at_switch]), returned_ms=returned)
    assert "Once the name led to the living Region, customers were answered within 5 s" in broken(after)
    before = judged(evidence(inquiries=fine, requests=[bad]), returned_ms=returned)
    assert not [claim for claim in broken(before) if claim.startswith("Once the name led")]


def test_a_customer_waits_from_his_first_try() -> None:
    tries = [
        inquiry(0, 10_000, "ReadTimeout", "a"),
        inquiry(10_500, 2_000, "ReadTimeout", "a"),
        inquiry(13_000, 300, what="a"),
    ]
    assert longest_wait(tries) == 13_300
    assert longest_wait([*tries, inquiry(14_000, 100, what="a"), inquiry(0, 900, what="b")]) == 13_300
    assert longest_wait([inquiry(0, 10_000, "ReadTimeout", "a")]) == 10_000
    assert longest_wait([]) == 0


def test_only_what_was_handed_over_at_the_very_death_may_be_handed_over_again() -> None:
    death_ms = 100_000
    written = {
        "once": [("v1", 99_000)],
        "at the death": [("v2", 140_000), ("v1", 99_000)],
        "long before": [("v2", 140_000), ("v1", 80_000)],
        "long after": [("v2", 140_000), ("v1", 110_000)],
        "three times": [("v3", 140_000), ("v2", 120_000), ("v1", 99_000)],
    }
    assert handed_twice(written, death_ms) == (["long after", "long before", "three times"], ["at the death"])
