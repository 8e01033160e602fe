"""The functions' environment holds exactly the variables that the settings read, within Lambda's limit."""

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
    [issuer_read] = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region}).issuers
    assert (issuer_read.jwks_url, issuer_read.keys) == ("https://login.company.gov/keys", {})


@pytest.fixture(scope="session")
def auth() -> str:
    """Return the setting for a company's OIDC provider in the middle of a rotation of its keys."""
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
    eft_settings = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region})
    assert (eft_settings.region, eft_settings.peer_region) == (region, peers[region])
    assert (eft_settings.table, eft_settings.event_bus) == ("eft", "eft")
    assert set(eft_settings.control_buckets) == set(peers)
    assert eft_settings.queue_urls["copy"] == f"https://sqs.{region}.amazonaws.com/123456789012/eft-copy"


def test_uploads_of_both_regions_copy_and_api_roles_are_ours(sam: dict[str, Any], region: str, auth: str) -> None:
    """The roles are compared by the names that they really have in this account."""
    eft_settings = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region})
    names = [
        Stack(sam, role_region, {}).resolve(sam["Resources"][role]["Properties"]["RoleName"])
        for role in ("CopyRole", "ApiHandlerRole")
        for role_region in ("us-gov-west-1", "us-gov-east-1")
    ]
    assert set(eft_settings.own_roles) == {f"arn:aws-us-gov:iam::123456789012:role/{name}" for name in names}


def test_default_endpoints_and_feeds(sam: dict[str, Any], region: str, auth: str) -> None:
    eft_settings = settings.read(environment(sam, region, AuthJson=auth) | {"AWS_REGION": region})
    for side, where in (("west", "us-gov-west-1"), ("east", "us-gov-east-1")):
        source, target = eft_settings.endpoints[f"{side}-source"], eft_settings.endpoints[f"{side}-target"]
        assert (source.bucket.name, source.bucket.region) == (f"eft-source-123456789012-{where}", where)
        assert (target.bucket.name, target.bucket.region) == (f"eft-target-123456789012-{where}", where)
        assert (source.readable, source.writable, source.prefix) == (True, False, "")
        assert (target.readable, target.writable, target.prefix) == (False, True, "")
        assert (
            eft_settings.endpoints[f"{side}-inbox"].prefix
            == eft_settings.endpoints[f"{side}-delivered"].prefix
            == "inbox/"
        )
        feed = eft_settings.feeds[f"{side}-inbox"]
        assert (feed.source, feed.target) == (f"{side}-inbox", f"{side}-delivered")
    assert {endpoint.tenant for endpoint in eft_settings.endpoints.values()} == {"demo"}
    assert {endpoint.bucket.owner for endpoint in eft_settings.endpoints.values()} == {"123456789012"}
    assert (len(eft_settings.endpoints), len(eft_settings.feeds)) == (8, 2)


@pytest.mark.parametrize(
    "name", ["EndpointsJson", "FeedsJson", "PolicyJson", "AuthJson", "WebhookNetworksJson", "PricesJson"]
)
def test_a_stack_parameter_overrides_it(sam: dict[str, Any], region: str, name: str) -> None:
    assert "overridden" in environment(sam, region, **{name: "overridden"}).values()
