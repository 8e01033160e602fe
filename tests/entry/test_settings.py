"""A function checks everything in its environment before the first request."""

import json
from dataclasses import fields
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import GIB, MIB, Policy
from chalicelib.core.prices import LIST_PRICES
from chalicelib.core.rows import OverwriteMode
from chalicelib.settings import SettingsError
from tests import template
from tests.entry.environ import EAST, ENDPOINTS, FEEDS, OWN_ROLES, THEIRS_TOO, WEST, endpoint, environ, feed

VARIABLES = sorted(name for name in environ() if name.startswith("EFT_"))


def refused(**changes: str | None) -> str:
    with pytest.raises(SettingsError) as error:
        settings.read(environ(**changes))
    return str(error.value)


# --- what is right ------------------------------------------------------------------------------------------------


def test_a_whole_environment() -> None:
    eft_settings = settings.read(environ(EFT_POLICY='{"attempts": 3, "lease_ttl_ms": 40000}'))
    assert (eft_settings.region, eft_settings.peer_region, eft_settings.table, eft_settings.own_roles) == (
        WEST,
        EAST,
        "eft",
        tuple(OWN_ROLES),
    )
    assert eft_settings.control_buckets[EAST] == Bucket("control-east", EAST, "123456789012")
    assert eft_settings.endpoints["target-east"].readable
    assert eft_settings.endpoints["target-east"].writable
    assert not eft_settings.endpoints["source-west"].writable
    assert not eft_settings.endpoints["target-west"].readable
    assert eft_settings.feeds["west-to-east"].mode is OverwriteMode.IF_CHANGED
    assert eft_settings.policy == Policy(attempts=3, lease_ttl_ms=40_000)
    assert eft_settings.issuers == ()


def test_all_that_an_endpoint_may_say() -> None:
    options = {"owner": "210987654321", "prefix": "données/", "kms_key": "arn:aws-us-gov:kms:x", "requester_pays": True}
    entry = endpoint("e", "bucket", WEST, "read", website=True, max_concurrency=8, **options)
    location = settings.read(environ(EFT_ENDPOINTS=json.dumps([entry]), EFT_FEEDS="[]")).endpoints["e"]
    assert location.bucket == Bucket("bucket", WEST, "210987654321", requester_pays=True)
    assert (location.prefix, location.kms_key, location.website) == ("données/", "arn:aws-us-gov:kms:x", True)
    assert location.max_concurrency == 8


def test_a_source_may_lie_in_a_third_region() -> None:
    entry = endpoint("far", "bucket", "us-west-2", "read")
    assert "far" in settings.read(environ(EFT_ENDPOINTS=json.dumps([entry]), EFT_FEEDS="[]")).endpoints


def test_every_number_of_the_policy_can_be_set() -> None:
    numbers = {field.name: getattr(Policy(), field.name) + 1 for field in fields(Policy)}
    assert settings.read(environ(EFT_POLICY=json.dumps(numbers))).policy == Policy(**numbers)


def test_prices_are_those_of_the_table_but_for_what_is_given() -> None:
    changes = {EAST: {"dated": "2026-10-01", "transfer_per_gb": 0.03, "write_per_1000": {"STANDARD": 0.0055}}}
    prices = settings.read(environ(EFT_PRICES=json.dumps(changes))).prices
    assert prices[WEST] == LIST_PRICES
    assert (prices[EAST].dated, prices[EAST].source) == ("2026-10-01", "the operator's prices")
    assert prices[EAST].transfer_per_gb == 0.03
    assert prices[EAST].write_per_1000 == {**LIST_PRICES.write_per_1000, "STANDARD": 0.0055}
    assert prices[EAST].kms_per_10000 == LIST_PRICES.kms_per_10000


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"dated": "yesterday"},
        {"dated": "2026-10-01", "transfer": 1},
        {"dated": "2026-10-01", "transfer_per_gb": -1},
        {"dated": "2026-10-01", "transfer_per_gb": "cheap"},
        {"dated": "2026-10-01", "write_per_1000": {"TAPE": 1}},
    ],
    ids=str,
)
def test_prices_that_are_none(entry: dict[str, Any]) -> None:
    assert "EFT_PRICES" in refused(EFT_PRICES=json.dumps({EAST: entry}))


def test_prices_of_a_region_that_is_nobodys_target() -> None:
    assert "us-west-2" in refused(EFT_PRICES=json.dumps({"us-west-2": {"dated": "2026-10-01"}}))


def test_variables_of_others_are_none_of_our_business() -> None:
    settings.read(environ(PYTHONPATH="/x", AWS_LAMBDA_LOG_STREAM_NAME="y", XEFT_A="z", eft_b="z"))


@pytest.mark.parametrize("region", [WEST, EAST])
def test_the_template_gives_a_whole_environment(region: str) -> None:
    """The deployed functions start with this: the parameters' defaults, in both Regions."""
    loaded = template.load()
    names = {"AWS::Region": region, "AWS::AccountId": "123456789012", "AWS::StackName": "eft"}
    names["AWS::Partition"] = "aws-us-gov"
    queues = {f"{name}Queue": f"https://sqs.example/{name}" for name in ("Intake", "Split", "Copy", "Verify", "Notify")}
    queues["NotifyDeadLetters"] = "https://sqs.example/NotifyDeadLetters"
    variables = template.resolve(
        loaded["Globals"]["Function"]["Environment"]["Variables"], loaded, {**names, **queues, "EventBus": "eft"}
    )
    eft_settings = settings.read({**variables, "AWS_REGION": region})
    assert set(eft_settings.control_buckets) == {EAST, WEST}
    assert eft_settings.peer_region in {EAST, WEST} - {region}
    assert len(eft_settings.endpoints) == 8
    assert eft_settings.endpoints["west-delivered"].bucket == Bucket(
        "eft-target-123456789012-" + WEST, WEST, "123456789012"
    )
    assert set(eft_settings.feeds) == {"west-inbox", "east-inbox"}
    assert eft_settings.policy == Policy()


# --- what is missing, unknown, malformed --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*VARIABLES, "AWS_REGION"])
def test_a_variable_that_is_missing(name: str) -> None:
    assert name in refused(**{name: None})


@pytest.mark.parametrize("name", [*VARIABLES, "AWS_REGION"])
def test_a_variable_that_is_empty(name: str) -> None:
    assert name in refused(**{name: ""})


@pytest.mark.parametrize("role", ["eft-copy-", "arn:aws-us-gov:sts::123456789012:assumed-role/eft-copy/x", ""])
def test_a_role_of_ours_is_named_whole(role: str) -> None:
    message = refused(EFT_OWN_ROLES=json.dumps([role]))
    assert "EFT_OWN_ROLES" in message
    assert "is no role's ARN" in message


@pytest.mark.parametrize(("prefix", "fix"), [("data", "data/"), ("/data/", "data/"), ("/", "")])
def test_an_endpoints_prefix_is_a_folder_unless_its_operator_says_otherwise(prefix: str, fix: str) -> None:
    entry = endpoint("far", "far-away", WEST, "read", prefix=prefix)
    message = refused(EFT_ENDPOINTS=json.dumps([entry]), EFT_FEEDS="[]")
    assert "EFT_ENDPOINTS" in message
    assert f"far: prefix {prefix!r}" in message
    assert f"send {fix!r}, or, " in message
    entries = json.dumps([{**entry, "text_prefix": True}])
    assert settings.read(environ(EFT_ENDPOINTS=entries, EFT_FEEDS="[]")).endpoints["far"].prefix == prefix


def test_a_feed_that_could_not_name_what_it_delivers() -> None:
    texts = endpoint("texts", "texts-bucket", WEST, "read", prefix="data", text_prefix=True)
    whole = endpoint("whole", "whole-bucket", EAST, "write")
    message = refused(EFT_ENDPOINTS=json.dumps([texts, whole]), EFT_FEEDS=json.dumps([feed("f", "texts", "whole")]))
    assert "EFT_FEEDS: f: an object of the key 'data' would have no name at the target" in message


@pytest.mark.parametrize("name", ["EFT_POLICIES", "EFT_", "EFT_X_Y"])
def test_a_variable_that_nobody_knows(name: str) -> None:
    assert name in refused(**{name: "x"})


def test_all_that_is_wrong_is_said_at_once() -> None:
    message = refused(EFT_TABLE=None, EFT_FEEDS="{", EFT_TYPO="x")
    for name in ("EFT_TABLE", "EFT_FEEDS", "EFT_TYPO"):
        assert name in message


@pytest.mark.parametrize("text", ["{", "x", "'[]'", "[]x", "null", "5", '"text"', "[" * 10_000, "\ud800"])
@pytest.mark.parametrize(
    "name", ["EFT_CONTROL_BUCKETS", "EFT_QUEUE_URLS", "EFT_ENDPOINTS", "EFT_FEEDS", "EFT_POLICY", "EFT_AUTH"]
)
def test_json_that_is_none_or_of_another_kind(name: str, text: str) -> None:
    assert name in refused(**{name: text})


@pytest.mark.parametrize(
    "policy",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": 1.5},
        {"attempts": "8"},
        {"attempts": True},
        {"attempts": None},
        {"attempts": [1]},
        {"atempts": 8},
        {"": 8},
    ],
    ids=str,
)
def test_a_policy_that_is_none(policy: dict[str, object]) -> None:
    message = refused(EFT_POLICY=json.dumps(policy))
    assert "EFT_POLICY" in message
    assert next(iter(policy)) in message.lower()


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ({"part_size_bytes": 5 * MIB - 1}, "part_size_bytes"),
        ({"part_size_bytes": 5 * GIB + 1}, "part_size_bytes"),
        ({"report_piece_bytes": 5 * MIB - 1}, "report_piece_bytes"),
        ({"report_piece_bytes": 64 * MIB + 1}, "report_piece_bytes"),
        ({"multipart_threshold_bytes": 5 * GIB + 1}, "multipart_threshold_bytes"),
        ({"heartbeat_ms": 45_001}, "lease_ttl_ms"),
        ({"lease_ttl_ms": 29_999}, "lease_ttl_ms"),
        ({"takeover_after_ms": 89_999}, "takeover_after_ms"),
        ({"backoff_max_ms": 99}, "backoff_max_ms"),
    ],
    ids=str,
)
def test_numbers_that_can_not_work(policy: dict[str, int], why: str) -> None:
    """With these numbers, S3 would refuse every part, or living workers would lose their leases."""
    assert f"EFT_POLICY: {why}" in refused(EFT_POLICY=json.dumps(policy))


@pytest.mark.parametrize(
    "policy",
    [
        {"part_size_bytes": 5 * MIB, "multipart_threshold_bytes": 1},
        {"part_size_bytes": 5 * GIB, "multipart_threshold_bytes": 5 * GIB},
        {"heartbeat_ms": 1, "lease_ttl_ms": 2, "takeover_after_ms": 2},
    ],
    ids=str,
)
def test_numbers_that_just_work(policy: dict[str, int]) -> None:
    settings.read(environ(EFT_POLICY=json.dumps(policy)))


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": None},
        {"tenant": ""},
        {"bucket": "ab"},
        {"access": "all"},
        {"access": None},
        {"prefix": 5},
        {"prefix": None},
        {"website": "perhaps"},
        {"max_concurrency": 0},
        {"max_concurrency": "8"},
        {"acces": "read"},
    ],
    ids=str,
)
def test_an_endpoint_that_is_none(change: dict[str, Any]) -> None:
    entry = {**endpoint("e", "bucket", WEST, "read"), **change}
    assert "EFT_ENDPOINTS.0." in refused(EFT_ENDPOINTS=json.dumps([entry]), EFT_FEEDS="[]")


@pytest.mark.parametrize("change", [{"id": ""}, {"mode": "maybe"}, {"source": None}, {"filter": "*"}], ids=str)
def test_a_feed_that_is_none(change: dict[str, Any]) -> None:
    entry = {**feed("f", "source-west", "target-west"), **change}
    assert "EFT_FEEDS.0." in refused(EFT_FEEDS=json.dumps([entry]))


# --- what does not fit together -----------------------------------------------------------------------------------


def test_the_peer_must_be_another_region() -> None:
    assert "EFT_PEER_REGION" in refused(EFT_PEER_REGION=WEST)


@pytest.mark.parametrize(
    "buckets",
    [{}, {WEST: "a"}, {WEST: "a", "us-west-2": "b"}, {WEST: "a", EAST: "b", "us-west-2": "c"}, {WEST: "a", EAST: "a"}],
    ids=str,
)
def test_each_region_has_its_control_bucket(buckets: dict[str, str]) -> None:
    assert "EFT_CONTROL_BUCKETS" in refused(EFT_CONTROL_BUCKETS=json.dumps(buckets))


@pytest.mark.parametrize("name", sorted(settings.QUEUES))
def test_each_step_has_its_queue(name: str) -> None:
    urls = {queue: f"https://{queue}" for queue in settings.QUEUES}
    del urls[name]
    assert "EFT_QUEUE_URLS" in refused(EFT_QUEUE_URLS=json.dumps(urls))
    assert "EFT_QUEUE_URLS" in refused(EFT_QUEUE_URLS=json.dumps({**urls, name: ""}))
    assert "EFT_QUEUE_URLS" in refused(EFT_QUEUE_URLS=json.dumps({**urls, name: "https://x", "more": "https://y"}))


def test_a_target_needs_a_control_bucket_in_its_region() -> None:
    for access in ("write", "read-write"):
        entry = endpoint("far", "bucket", "us-west-2", access)
        message = refused(EFT_ENDPOINTS=json.dumps([entry]), EFT_FEEDS="[]")
        assert "EFT_ENDPOINTS: far is written to in us-west-2" in message


@pytest.mark.parametrize("access", ["read", "write"])
def test_a_control_bucket_is_no_endpoint(access: str) -> None:
    """A tenant that writes there forges receipts; one that reads there sees other tenants' jobs."""
    entry = endpoint("clever", "control-east", EAST, access)
    assert "EFT_ENDPOINTS: clever" in refused(EFT_ENDPOINTS=json.dumps([*ENDPOINTS, entry]), EFT_FEEDS="[]")


def test_names_are_used_once() -> None:
    duplicate = endpoint("source-west", "another", WEST, "read")
    assert "EFT_ENDPOINTS" in refused(EFT_ENDPOINTS=json.dumps([*ENDPOINTS, duplicate]))
    assert "EFT_FEEDS" in refused(EFT_FEEDS=json.dumps([FEEDS[0], FEEDS[0]]))


# --- feeds --------------------------------------------------------------------------------------------------------


def feeds_refused(entries: list[dict[str, Any]], *feeds: dict[str, Any]) -> str:
    message = refused(EFT_ENDPOINTS=json.dumps(entries), EFT_FEEDS=json.dumps(feeds))
    assert message.startswith("EFT_FEEDS: ")
    return message


@pytest.mark.parametrize(
    ("source", "target"),
    [("nowhere", "target-west"), ("source-west", "nowhere"), ("theirs", "target-west"), ("source-west", "theirs")],
)
def test_a_feed_over_an_endpoint_that_its_tenant_does_not_have(source: str, target: str) -> None:
    assert "its tenant has no endpoint" in feeds_refused([*ENDPOINTS, THEIRS_TOO], feed("f", source, target))


@pytest.mark.parametrize(("source", "target"), [("target-west", "target-east"), ("source-west", "source-east")])
def test_a_feed_against_its_endpoints_access(source: str, target: str) -> None:
    assert "access" in feeds_refused(ENDPOINTS, feed("f", source, target))


@pytest.mark.parametrize(
    ("source", "target"), [("", ""), ("a/", ""), ("", "a/"), ("a/", "a/"), ("a/", "a/b/"), ("a/b/", "a/"), ("a", "ab")]
)
def test_a_feed_that_triggers_itself(source: str, target: str) -> None:
    entries = [
        endpoint("from", "bucket", WEST, "read", prefix=source, text_prefix=True),
        endpoint("to", "bucket", WEST, "write", prefix=target, text_prefix=True),
    ]
    assert "f -> f" in feeds_refused(entries, feed("f", "from", "to"))


def test_a_feed_from_an_endpoint_to_itself() -> None:
    assert "f -> f" in feeds_refused([endpoint("both", "bucket", WEST, "read-write")], feed("f", "both", "both"))


def ring(names: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return buckets in a ring, each fed from the one before it."""
    entries = [endpoint(name, f"bucket-{name}", WEST, "read-write") for name in names]
    feeds = [feed(f"{a}{b}", a, b) for a, b in zip(names, [*names[1:], names[0]], strict=True)]
    return entries, feeds


@pytest.mark.parametrize("size", [2, 3, 10])
def test_feeds_that_trigger_each_other(size: int) -> None:
    names = list("abcdefghij")[:size]
    entries, feeds = ring(names)
    message = feeds_refused(entries, *feeds)
    assert " -> ".join([*(f["id"] for f in feeds), "ab"]) in message


def test_a_loop_that_a_chain_leads_into() -> None:
    entries, feeds = ring(["a", "b", "c"])
    entry = endpoint("start", "bucket-start", WEST, "read")
    message = feeds_refused([entry, *entries], feed("into", "start", "a"), *feeds)
    assert "into" not in message


def test_a_loop_through_another_tenant() -> None:
    """Each tenant sees only its own half of the loop."""
    entries = [
        endpoint("ours-in", "bucket-x", WEST, "read", prefix="x/"),
        endpoint("ours-out", "bucket-y", WEST, "write", prefix="y/"),
        endpoint("theirs-in", "bucket-y", WEST, "read", prefix="y/z/", tenant="other"),
        endpoint("theirs-out", "bucket-x", WEST, "write", prefix="x/", tenant="other"),
    ]
    feeds = [feed("ours", "ours-in", "ours-out"), feed("theirs", "theirs-in", "theirs-out", tenant="other")]
    assert "ours -> theirs -> ours" in feeds_refused(entries, *feeds)


@pytest.mark.parametrize("names", [["ab", "bc", "cd"], ["ab", "ac", "bd", "cd"], ["ab", "cd"]])
def test_feeds_without_a_loop(names: list[str]) -> None:
    entries = [endpoint(name, f"bucket-{name}", WEST, "read-write") for name in "abcd"]
    feeds = [feed(name, name[0], name[1]) for name in names]
    eft_settings = settings.read(environ(EFT_ENDPOINTS=json.dumps(entries), EFT_FEEDS=json.dumps(feeds)))
    assert set(eft_settings.feeds) == set(names)


def test_prefixes_beside_each_other_in_one_bucket() -> None:
    entries = [
        endpoint("from", "bucket", WEST, "read", prefix="in/"),
        endpoint("to", "bucket", WEST, "write", prefix="out/"),
    ]
    settings.read(environ(EFT_ENDPOINTS=json.dumps(entries), EFT_FEEDS=json.dumps([feed("f", "from", "to")])))
