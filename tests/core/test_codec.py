"""Records become bytes and come back. Nothing is lost, and bytes that are no record are refused."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core import codec
from chalicelib.core.errors import Corrupt
from chalicelib.core.jobs import JobSpec
from chalicelib.core.manifests import Claim, Manifest, RangeSplit
from chalicelib.core.rows import Method, Row
from tests.core.strategies import RECORDS, records

CLAIM = Claim("job", "r-000001", 1, "us-gov-west-1", "worker", "nonce", 5)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_every_record_comes_back_as_it_was(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    body = codec.dumps(record)
    assert codec.loads(body, kind) == record
    assert codec.dumps(codec.loads(body, kind)) == body
    assert json.loads(body)["version"] == 1


@given(st.sampled_from(RECORDS).flatmap(records), st.sampled_from(RECORDS))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_one_kind_is_never_read_as_another(record: Any, kind: type[Any]) -> None:
    body = codec.dumps(record)
    if type(record) is kind:
        assert codec.loads(body, kind) == record
    else:
        with pytest.raises(Corrupt):
            codec.loads(body, kind)


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_garbage_is_corrupt(body: bytes) -> None:
    with pytest.raises(Corrupt):
        codec.loads(body, Claim)


def test_a_body_nested_without_end_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        codec.loads(b"[" * 1_000_000, Claim)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_other_json_is_corrupt(value: Any) -> None:
    with pytest.raises(Corrupt):
        codec.loads(json.dumps(value).encode(), Manifest)


@given(st.sampled_from(sorted(json.loads(codec.dumps(CLAIM)))), json_values)
def test_a_record_with_one_field_gone_wrong(field: str, value: Any) -> None:
    """It still is a claim, or it is corrupt. There is no other exception."""
    fields = json.loads(codec.dumps(CLAIM))
    fields[field] = value
    with suppress(Corrupt):
        assert isinstance(codec.loads(json.dumps(fields).encode(), Claim), Claim)
    del fields[field]
    with pytest.raises(Corrupt):
        codec.loads(json.dumps(fields).encode(), Claim)


@pytest.mark.parametrize("at", range(0, len(codec.dumps(CLAIM)), 7))
def test_a_record_cut_short_is_corrupt(at: int) -> None:
    with pytest.raises(Corrupt):
        codec.loads(codec.dumps(CLAIM)[:at], Claim)


def test_another_version_is_not_read() -> None:
    body = codec.dumps(CLAIM).replace(b'"version":1', b'"version":2')
    with pytest.raises(Corrupt, match="version 2"):
        codec.loads(body, Claim)


def test_an_entry_is_a_manifest_or_a_range_split() -> None:
    row = Row("k", "t", 1, "e", None, Method.COPY)
    manifest = Manifest("job", "r-000001", "", "k", True, (row,), 0, 0, "west", "n")
    range_split = RangeSplit("job", "r-000002", "a", "b", "c", 1, 1, "west", "n")
    assert codec.loads_entry(codec.dumps(manifest)) == manifest
    assert codec.loads_entry(codec.dumps(range_split)) == range_split
    with pytest.raises(Corrupt):
        codec.loads_entry(codec.dumps(CLAIM))


def test_a_record_can_be_read_by_people() -> None:
    assert codec.dumps(CLAIM) == (
        b'{"record":"claim","version":1,"job_id":"job","partition_id":"r-000001","epoch":1,'
        b'"region":"us-gov-west-1","worker":"worker","nonce":"nonce","claimed_ms":5}'
    )


def test_a_spec_of_this_release_is_read_by_later_ones() -> None:
    """This is the oldest spec that we promise to read. Fields that get a default later must not break what is stored
    now."""
    oldest = {
        "record": "spec",
        "version": 1,
        "job_id": "job-a",
        "tenant": "acme",
        "kind": "PREFIX",
        "source": endpoint("source"),
        "target": endpoint("target"),
        "source_prefix": "in/",
        "target_prefix": "out/",
        "mode": "if-changed",
        "home": "us-gov-west-1",
        "created_ms": 1,
        "request_sha256": "d",
    }
    assert codec.loads(json.dumps(oldest).encode(), JobSpec).labels == {}


def endpoint(name: str) -> dict[str, Any]:
    bucket = {"name": name, "region": "us-gov-west-1"}
    return {"id": name, "tenant": "acme", "bucket": bucket, "prefix": "", "readable": True, "writable": True}
