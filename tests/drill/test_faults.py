"""The gateway carries out the rules that stop a Region at a moment as they are meant."""

import json

from local.drill.faults import count, hold, lose_answer
from local.gateway.classify import Call
from local.gateway.faults import DropAnswer, Faults, Hang, Injection, parse_rules
from local.gateway.launch import EAST, WEST

NOW = 1_000_000


def faults(*groups: list[dict[str, object]]) -> Faults:
    rules = Faults()
    rules.replace(parse_rules(json.dumps([rule for group in groups for rule in group]).encode()), NOW)
    return rules


def call(operation: str, key: str = "p/1", caller: str = WEST) -> Call:
    return Call(caller, "s3", operation, WEST, "bucket", key, "", {})


def decide(rules: Faults, *calls: Call) -> list[Injection]:
    return [rules.decide(request, NOW) for request in calls]


def fired(rules: Faults) -> dict[object, object]:
    return {rule["id"]: rule["fired"] for rule in rules.report()}


def test_a_hold_lets_some_pass_and_then_carries_out_nothing() -> None:
    rules = faults(hold("held", {"caller": WEST, "operation": "CopyObject"}, skip=2))
    injections = decide(rules, *[call("CopyObject")] * 4, call("CopyObject", caller=EAST), call("HeadObject"))
    assert [injection.action for injection in injections[:2] + injections[4:]] == [None] * 4
    assert all(isinstance(injection.action, Hang) for injection in injections[2:4])
    assert fired(rules)["held"] == 2


def test_the_answer_is_lost_of_exactly_the_one_before_the_hold() -> None:
    match = {"operation": "CopyObject"}
    rules = faults(hold("held", match, skip=4), lose_answer("lost", match, skip=3), count("all", match))
    actions = [injection.action for injection in decide(rules, *[call("CopyObject")] * 5)]
    assert actions[:3] == [None] * 3
    assert isinstance(actions[3], DropAnswer)
    assert isinstance(actions[4], Hang)


def test_a_counting_rule_does_nothing_else() -> None:
    rules = faults(count("p/1", {"operation": "UploadPartCopy", "key_prefix": "p/1"}))
    injections = decide(rules, call("UploadPartCopy"), call("UploadPartCopy", key="p/2"))
    assert [(injection.delay_ms, injection.action) for injection in injections] == [(0, None), (0, None)]
    assert fired(rules) == {"p/1": 1}
