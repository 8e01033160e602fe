"""Fault rules: what they match, when they fire, and what is said of bad ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.gateway.classify import Call
from local.gateway.cuts import Cuts
from local.gateway.faults import BadRules, DropAnswer, Error, Faults, Match, parse_rules


def call(**fields: Any) -> Call:
    base = {
        "caller": "aws",
        "service": "s3",
        "operation": "CopyObject",
        "region": "us-gov-west-1",
        "bucket": "b",
        "key": "a/b",
        "access_key": "",
        "query": {},
        "source": "from/c/d",
    }
    return Call(**(base | fields))


def faults(*rules: dict[str, Any]) -> Faults:
    engine = Faults()
    engine.replace(parse_rules(json.dumps([{"id": f"r{n}"} | rule for n, rule in enumerate(rules)]).encode()))
    return engine


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"operation": "CopyObject"}, True),
        ({"operation": "PutObject"}, False),
        ({"caller": "aws", "service": "s3", "region": "us-gov-west-1", "bucket": "b", "key_prefix": "a/"}, True),
        ({"caller": "us-gov-west-1"}, False),
        ({"region": "us-gov-east-1"}, False),
        ({"bucket": "c"}, False),
        ({"key_prefix": "b"}, False),
        ({"key_prefix": "a/b", "source_prefix": "from/c/"}, True),
        ({"source_prefix": "from/a/b"}, False),
    ],
)
def test_every_given_field_must_agree(match: dict[str, str], expected: bool) -> None:
    assert Match(**match).matches(call()) == expected


def test_skip_then_times() -> None:
    engine = faults({"action": {"kind": "drop_answer"}, "skip": 2, "times": 2})
    outcomes = [engine.decide(call()).action is not None for _ in range(6)]
    assert outcomes == [False, False, True, True, False, False]
    (report,) = engine.report()
    assert (report["matched"], report["fired"]) == (4, 2)


def test_probability_repeats_with_its_seed() -> None:
    rule = {"action": {"kind": "drop_request"}, "probability": 0.5, "seed": 7}
    first, second = faults(rule), faults(rule)
    outcomes = [first.decide(call()).action is not None for _ in range(200)]
    assert outcomes == [second.decide(call()).action is not None for _ in range(200)]
    assert 70 < sum(outcomes) < 130


def test_delays_add_up_and_the_first_other_action_wins() -> None:
    engine = faults(
        {"action": {"kind": "delay", "delay_ms": 5}},
        {"action": {"kind": "delay", "delay_ms": 7}},
        {"action": {"kind": "error", "status": 503, "code": "SlowDown"}},
        {"action": {"kind": "drop_answer"}},
    )
    verdict = engine.decide(call())
    assert verdict.delay_ms == 12
    assert isinstance(verdict.action, Error)
    assert verdict.rules == ("r0", "r1", "r2")
    assert [rule["fired"] for rule in engine.report()] == [1, 1, 1, 0]


def test_a_used_up_rule_gives_way_to_the_next() -> None:
    engine = faults(
        {"action": {"kind": "error", "status": 500, "code": "InternalError"}, "times": 1},
        {"action": {"kind": "drop_answer"}},
    )
    assert isinstance(engine.decide(call()).action, Error)
    assert isinstance(engine.decide(call()).action, DropAnswer)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("no json", "Invalid JSON"),
        ({}, "valid array"),
        ([{"id": "a"}], "0.action: Field required"),
        ([{"id": "a", "action": {"kind": "explode"}}], "'delay', 'error', 'drop_answer'"),
        ([{"id": "a", "action": {"kind": "delay"}}], "delay_ms"),
        ([{"id": "a", "action": {"kind": "error", "status": 200, "code": "x"}}], "greater than or equal to 400"),
        ([{"id": "a", "action": {"kind": "drop_answer"}, "match": {"operatoin": "x"}}], "operatoin"),
        ([{"id": "a", "action": {"kind": "drop_answer"}, "times": 0}], "times"),
        ([{"id": "a", "action": {"kind": "drop_answer"}}] * 2, "repeated: a"),
    ],
)
def test_bad_rules_say_what_is_wrong(rules: object, said: str) -> None:
    body = rules.encode() if isinstance(rules, str) else json.dumps(rules).encode()
    with pytest.raises(BadRules, match=said):
        parse_rules(body)


def test_a_cut_region_reaches_nothing_but_its_s3_goes_on() -> None:
    cuts = Cuts()
    cuts.cut("us-gov-west-1", s3=False)
    assert cuts.drops(call(caller="us-gov-west-1", region="us-gov-east-1"))
    assert not cuts.drops(call(caller="us-gov-east-1"))
    cuts.restore("us-gov-west-1")
    assert not cuts.drops(call(caller="us-gov-west-1"))


def test_cutting_s3_takes_copies_from_its_buckets_too() -> None:
    cuts = Cuts()
    cuts.learn(call(bucket="west"))
    cuts.cut("us-gov-west-1", s3=True)
    assert cuts.drops(call())
    assert cuts.drops(call(region="us-gov-east-1", bucket="east"), copy_source="/west/key")
    assert cuts.drops(call(region="", bucket="west"))
    assert not cuts.drops(call(region="us-gov-east-1", bucket="east"), copy_source="/other/key")
    assert not cuts.drops(call(service="dynamodb", bucket=""))
