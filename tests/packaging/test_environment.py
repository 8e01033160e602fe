"""The functions' environment: what the settings read, no more and no less, and within Lambda's limit."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from chalicelib import settings
from tests.packaging.intrinsics import Stack

LAMBDA_MAX_BYTES = 4096


def _signing_key(kid: str) -> dict[str, Any]:
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return RSAAlgorithm.to_jwk(public, as_dict=True) | {"kid": kid, "use": "sig", "alg": "RS256"}


def test_an_issuer_that_publishes_its_keys(sam: dict[str, Any], region: str) -> None:
    issuer = {"issuer": "https://login.company.gov", "audience": "eft", "jwks_url": "https://login.company.gov/keys"}
    auth = json.dumps({"issuers": [issuer]})
    [found] = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region}).issuers
    assert (found.jwks_url, found.keys) == ("https://login.company.gov/keys", {})


@pytest.fixture(scope="session")
def auth() -> str:
    """A company's OIDC provider in the middle of a rotation of its keys."""
    issuer = {
        "issuer": "https://login.company.gov/realms/transfer",
        "audience": "eft",
        "jwks": {"keys": [_signing_key("2026-01"), _signing_key("2026-02")]},
    }
    return json.dumps({"issuers": [issuer]}, separators=(",", ":"))


def environment(sam: dict[str, Any], region: str, **parameters: str) -> dict[str, str]:
    stack = Stack(sam, region, parameters)
    variables = sam["Globals"]["Function"]["Environment"]["Variables"]
    return {name: stack.resolve(value) for name, value in variables.items()}


def test_it_fits_lambda_with_the_default_endpoints_and_two_signing_keys(
    sam: dict[str, Any], region: str, auth: str
) -> None:
    size = sum(len(name) + len(value) for name, value in environment(sam, region, AuthJson=auth).items())
    assert size < LAMBDA_MAX_BYTES


def test_no_function_adds_to_it(sam: dict[str, Any]) -> None:
    assert not any("Environment" in resource.get("Properties", {}) for resource in sam["Resources"].values())


def test_settings_read_it(sam: dict[str, Any], region: str, auth: str) -> None:
    peers = {"us-gov-west-1": "us-gov-east-1", "us-gov-east-1": "us-gov-west-1"}
    found = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region})
    assert (found.region, found.peer_region) == (region, peers[region])
    assert (found.table, found.event_bus) == ("eft", "eft")
    assert set(found.control_buckets) == set(peers)
    assert found.queue_urls["copy"] == f"https://sqs.{region}.amazonaws.com/123456789012/eft-copy"


def test_uploads_of_both_regions_copy_and_api_roles_are_ours(sam: dict[str, Any], region: str, auth: str) -> None:
    """By the names that the roles really have, in this account."""
    found = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region})
    names = [
        Stack(sam, there, {}).resolve(sam["Resources"][role]["Properties"]["RoleName"])
        for role in ("CopyRole", "ApiHandlerRole")
        for there in ("us-gov-west-1", "us-gov-east-1")
    ]
    assert set(found.own_roles) == {f"arn:aws-us-gov:iam::123456789012:role/{name}" for name in names}


def test_default_endpoints_and_feeds(sam: dict[str, Any], region: str, auth: str) -> None:
    found = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region})
    for side, where in (("west", "us-gov-west-1"), ("east", "us-gov-east-1")):
        source, target = found.endpoints[f"{side}-source"], found.endpoints[f"{side}-target"]
        assert (source.bucket.name, source.bucket.region) == (f"eft-source-123456789012-{where}", where)
        assert (target.bucket.name, target.bucket.region) == (f"eft-target-123456789012-{where}", where)
        assert (source.readable, source.writable, source.prefix) == (True, False, "")
        assert (target.readable, target.writable, target.prefix) == (False, True, "")
        assert found.endpoints[f"{side}-inbox"].prefix == found.endpoints[f"{side}-delivered"].prefix == "inbox/"
        feed = found.feeds[f"{side}-inbox"]
        assert (feed.source, feed.target) == (f"{side}-inbox", f"{side}-delivered")
    assert {endpoint.tenant for endpoint in found.endpoints.values()} == {"demo"}
    assert {endpoint.bucket.owner for endpoint in found.endpoints.values()} == {"123456789012"}
    assert (len(found.endpoints), len(found.feeds)) == (8, 2)


@pytest.mark.parametrize(
    "name", ["EndpointsJson", "FeedsJson", "PolicyJson", "AuthJson", "WebhookNetworksJson", "PricesJson"]
)
def test_a_stack_parameter_overrides_it(sam: dict[str, Any], region: str, name: str) -> None:
    assert "overridden" in environment(sam, region, **{name: "overridden"}).values()
