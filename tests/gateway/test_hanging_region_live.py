"""Run a sweep of the product with its real clients, through the real gateway, beside a Region whose storage hangs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chalicelib import runtime, settings
from chalicelib.core.budgets import Caller
from chalicelib.entry import handlers
from chalicelib.ports import Env
from local.drill.times import SWEEP_TIMEOUT_S
from local.gateway.launch import EAST, WEST
from tests import template
from tests.entry.environ import environ
from tests.gateway.conftest import ROOT, Cloud

pytestmark = pytest.mark.cloud


@pytest.fixture
def east(clean: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Env]:
    """Yield the Env of East's sweep as its function makes it, in this process, with empty buckets and an empty
    table."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", clean.gateway.functions_url(EAST))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT["aws_secret_access_key"])
    for side, region in (("west", WEST), ("east", EAST)):
        for name in ("control", "source", "target"):
            location = {"LocationConstraint": region}
            s3 = clean.client("s3", region)
            s3.create_bucket(Bucket=f"{name}-{side}", CreateBucketConfiguration=location)
            s3.head_bucket(Bucket=f"{name}-{side}")
    properties = template.load()["Resources"]["Table"]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    shape = {name: properties[name] for name in names}
    clean.client("dynamodb", EAST).create_table(TableName="eft", **shape)
    eft_settings = settings.read(environ(AWS_REGION=EAST, EFT_PEER_REGION=WEST, EFT_ACCOUNT="000000000000"))
    yield runtime.compose(eft_settings, {}, Caller.SWEEP)
    clean.control("DELETE", f"cut/{WEST}")
    clean.client("dynamodb", EAST).delete_table(TableName="eft")


SLOW = {"id": "slow", "match": {"service": "s3", "region": WEST}, "action": {"kind": "delay", "delay_ms": 4000}}
FLAPPING = SLOW | {"action": {"kind": "flap", "well_ms": 300, "gone_ms": 3000, "gone": {"kind": "hang"}}}


def test_a_sweep_does_its_own_regions_work_whatever_the_other_one_does(clean: Cloud, east: Env) -> None:
    """A few calls to West cost their budgets. Then the sweep leaves West alone and does all the work of East."""
    _sweep(east)
    _requests(clean)  # The first sweep does more: rounds that begin are not due again for minutes.
    _sweep(east)
    well = _requests(clean)
    assert well["west"]
    assert well["heads, puts and lists in east"]
    for trouble in ("hangs", "is slow", "flaps"):
        if trouble == "hangs":
            clean.control("PUT", f"cut/{WEST}?s3=true&how=hang")
        else:
            clean.control("DELETE", f"cut/{WEST}")
            clean.control("PUT", "faults", [SLOW if trouble == "is slow" else FLAPPING])
        took_s = _sweep(east)
        requests = _requests(clean)
        assert took_s < SWEEP_TIMEOUT_S / 2, f"West {trouble}: {took_s:.1f} s"
        assert requests["heads, puts and lists in east"] >= well["heads, puts and lists in east"], trouble
        if trouble != "flaps":
            assert requests["west"] <= 4, trouble


def _sweep(env: Env) -> float:
    """Run a sweep and return its duration in seconds."""
    began_s = time.monotonic()
    handlers.sweep(env, {}, env.clock.now_ms() + SWEEP_TIMEOUT_S * 1000)
    return time.monotonic() - began_s


def _requests(cloud: Cloud) -> dict[str, int]:
    """Return how many requests East's functions made since the last call, by purpose."""
    rows = [row for row in cloud.control("GET", "requests")["requests"] if row["caller"] == EAST]
    cloud.control("DELETE", "requests")
    return {
        "west": sum(row["count"] for row in rows if row["bucket"].endswith("-west")),
        "heads, puts and lists in east": sum(row["count"] for row in rows if row["bucket"].endswith("-east")),
    }
