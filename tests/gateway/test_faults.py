"""Test fault rules: which requests they match, when they fire, and how the gateway reports bad ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.gateway.classify import Call
from local.gateway.cuts import Cuts, Fate
from local.gateway.faults import BadRules, DropAnswer, Error, Faults, Hang, Match, parse_rules

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
NOW = 1_000_000


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


FLAPPING = {"kind": "flap", "well_ms": 1000, "gone_ms": 500, "gone": {"kind": "hang"}}


def faults(*rules: dict[str, Any]) -> Faults:
    engine = Faults()
    engine.replace(parse_rules(json.dumps([{"id": f"r{n}"} | rule for n, rule in enumerate(rules)]).encode()), NOW)
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
    outcomes = [engine.decide(call(), NOW).action is not None for _ in range(6)]
    assert outcomes == [False, False, True, True, False, False]
    (report,) = engine.report()
    assert (report["matched"], report["fired"]) == (4, 2)


def test_probability_repeats_with_its_seed() -> None:
    rule = {"action": {"kind": "drop_request"}, "probability": 0.5, "seed": 7}
    first, second = faults(rule), faults(rule)
    outcomes = [first.decide(call(), NOW).action is not None for _ in range(200)]
    assert outcomes == [second.decide(call(), NOW).action is not None for _ in range(200)]
    assert 70 < sum(outcomes) < 130


def test_delays_add_up_and_the_first_other_action_wins() -> None:
    engine = faults(
        {"action": {"kind": "delay", "delay_ms": 5}},
        {"action": {"kind": "delay", "delay_ms": 7}},
        {"action": {"kind": "error", "status": 503, "code": "SlowDown"}},
        {"action": {"kind": "drop_answer"}},
    )
    injection = engine.decide(call(), NOW)
    assert injection.delay_ms == 12
    assert isinstance(injection.action, Error)
    assert injection.rules == ("r0", "r1", "r2")
    assert [rule["fired"] for rule in engine.report()] == [1, 1, 1, 0]


def test_a_used_up_rule_gives_way_to_the_next() -> None:
    engine = faults(
        {"action": {"kind": "error", "status": 500, "code": "InternalError"}, "times": 1},
        {"action": {"kind": "drop_answer"}},
    )
    assert isinstance(engine.decide(call(), NOW).action, Error)
    assert isinstance(engine.decide(call(), NOW).action, DropAnswer)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("no json", "Invalid JSON"),
        ({}, "valid array"),
        ([{"id": "a"}], "0.action: Field required"),
        ([{"id": "a", "action": {"kind": "explode"}}], "'delay', 'error', 'drop_answer'"),
        ([{"id": "a", "action": {"kind": "delay"}}], "delay_ms"),
        ([{"id": "a", "action": {"kind": "error", "status": 200, "code": "x"}}], "greater than or equal to 400"),
        ([{"id": "a", "action": {"kind": "drop_answer"}, "match": {"operatoin": "x"}}], "operatoin"),
        ([{"id": "a", "action": {"kind": "drop_answer"}, "times": 0}], "times"),
        ([{"id": "a", "action": {"kind": "dribble"}}], "over_ms"),
        ([{"id": "a", "action": {"kind": "flap", "well_ms": 5, "gone_ms": 5}}], "gone: Field required"),
        ([{"id": "a", "action": FLAPPING | {"gone": FLAPPING}}], "gone: Input tag 'flap'"),
        ([{"id": "a", "action": {"kind": "drop_answer"}}] * 2, "repeated: a"),
    ],
)
def test_bad_rules_say_what_is_wrong(rules: object, message: str) -> None:
    body = rules.encode() if isinstance(rules, str) else json.dumps(rules).encode()
    with pytest.raises(BadRules, match=message):
        parse_rules(body)


def test_a_flapping_service_is_well_and_gone_in_turn() -> None:
    engine = faults({"action": FLAPPING})
    gone = [engine.decide(call(), NOW + at_ms).action is not None for at_ms in range(0, 3000, 250)]
    assert gone == [False, False, False, False, True, True] * 2
    assert engine.report()[0]["fired"] == 4


def test_a_flapping_service_may_be_gone_in_any_way() -> None:
    delay = {"kind": "delay", "delay_ms": 7}
    engine = faults({"action": FLAPPING | {"gone": delay}}, {"action": {"kind": "error", "status": 503, "code": "x"}})
    assert [engine.decide(call(), NOW + at_ms).delay_ms for at_ms in (0, 1000)] == [0, 7]
    assert all(isinstance(engine.decide(call(), NOW + at_ms).action, Error) for at_ms in (0, 1000))


def test_a_request_hangs_until_its_rule_is_gone() -> None:
    engine = faults({"action": {"kind": "hang"}, "times": 1})
    injection = engine.decide(call(), NOW)
    assert isinstance(injection.action, Hang)
    assert engine.hangs(injection.rule, NOW), "used up, but what it holds stays held"
    engine.replace(parse_rules(b'[{"id": "another", "action": {"kind": "hang"}}]'), NOW)
    assert not engine.hangs(injection.rule, NOW)


def test_what_hangs_while_a_service_is_gone_ends_when_it_is_well() -> None:
    engine = faults({"action": FLAPPING})
    injection = engine.decide(call(), NOW + 1000)
    assert isinstance(injection.action, Hang)
    assert [engine.hangs(injection.rule, NOW + at_ms) for at_ms in (1499, 1500)] == [True, False]


@pytest.mark.parametrize(("hangs", "fate"), [(False, Fate.CLOSES), (True, Fate.HANGS)])
def test_a_cut_region_reaches_nothing_but_its_s3_goes_on(hangs: bool, fate: Fate) -> None:
    cuts = Cuts()
    cuts.cut(WEST, s3=False, hangs=hangs)
    assert cuts.fate(call(caller=WEST, region=EAST)) is fate
    assert cuts.fate(call(caller=EAST)) is Fate.PASSES
    cuts.restore(WEST)
    assert cuts.fate(call(caller=WEST)) is Fate.PASSES


@pytest.mark.parametrize(("hangs", "fate"), [(False, Fate.CLOSES), (True, Fate.HANGS)])
def test_a_cut_region_answers_the_others_functions_nothing(hangs: bool, fate: Fate) -> None:
    cuts = Cuts()
    cuts.cut(WEST, s3=False, hangs=hangs)
    for service in ("dynamodb", "sqs", "lambda"):
        assert cuts.fate(call(caller=EAST, service=service, bucket="")) is fate
        assert cuts.fate(call(caller=EAST, service=service, bucket="", region=EAST)) is Fate.PASSES
        assert cuts.fate(call(caller="aws", service=service, bucket="")) is Fate.PASSES, "whoever looks from outside"
    api = call(caller="api", service="execute-api", bucket="")
    assert cuts.fate(api, api_region=WEST) is fate
    assert cuts.fate(call(caller="api", service="execute-api", region=EAST), api_region=EAST) is Fate.PASSES


@pytest.mark.parametrize("caller", ["aws", EAST])
def test_cutting_s3_takes_its_buckets_from_everyone(caller: str) -> None:
    for hangs, fate in ((False, Fate.CLOSES), (True, Fate.HANGS)):
        cuts = Cuts()
        cuts.learn(call(bucket="west"))
        cuts.cut(WEST, s3=True, hangs=hangs)
        assert cuts.fate(call(caller=caller)) is fate
        assert cuts.fate(call(caller=caller, region="", bucket="west")) is fate
        assert cuts.fate(call(caller=caller, region=EAST, bucket="east")) is Fate.PASSES


def test_copies_from_its_buckets_close_or_fail_after_a_while() -> None:
    cuts = Cuts()
    cuts.learn(call(bucket="west"))
    east = call(caller=EAST, region=EAST, bucket="east")
    cuts.cut(WEST, s3=True)
    assert cuts.fate(east, copy_source="/west/key") is Fate.CLOSES
    assert cuts.fate(east, copy_source="/other/key") is Fate.PASSES
    cuts.cut(WEST, s3=True, hangs=True)
    assert cuts.fate(east, copy_source="/west/key") is Fate.SOURCE_HANGS
    assert cuts.fate(call(caller=WEST, region=EAST, bucket="east"), copy_source="/west/key") is Fate.HANGS
    cuts.cut(WEST, s3=False, hangs=True)
    assert cuts.fate(east, copy_source="/west/key") is Fate.PASSES


def test_where_one_region_hangs_and_the_other_closes_nobody_waits() -> None:
    cuts = Cuts()
    cuts.cut(WEST, s3=True, hangs=True)
    cuts.cut(EAST, s3=True)
    assert cuts.fate(call(caller=EAST)) is Fate.CLOSES
