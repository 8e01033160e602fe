"""EFT_AUTH says which issuers may sign tokens. A mistake in it is found when the function starts, not when all callers
are turned away."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib import settings
from chalicelib.core.keys import Issuer
from tests.entry.environ import environ
from tests.entry.test_settings import refused
from tests.entry.tokens import Signer, auth_json, issuer_entry


def test_an_issuer_is_listed_once() -> None:
    entry = issuer_entry(Signer.make("ES256"))
    assert "EFT_AUTH" in refused(EFT_AUTH=json.dumps({"issuers": [entry, {**entry, "audience": "another"}]}))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kid": None}, "kid"),
        ({"kid": 5}, "kid"),
        ({"crv": "P-999"}, "can't be used"),
        ({"x": "!"}, "can't be used"),
        ({"kid": ""}, "kid"),
        ({"kty": "oct", "k": "c2VjcmV0", "alg": None}, "is not one of"),
        ({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}, "'HS256' is not one of"),
        ({"kty": "RSA"}, "can't be used"),
        ({"alg": "HS256"}, "'HS256' is not one of"),
        ({"alg": "none"}, "'none' is not one of"),
        ({"alg": 5}, "5 is not one of"),
        ({"alg": "ES512"}, "'ES512' is not one of"),
        ({"alg": "RS256"}, "can't be used"),
        ({"use": "enc"}, "none of its keys is for signatures"),
    ],
    ids=str,
)
def test_a_key_that_can_not_be_used(change: dict[str, Any], why: str) -> None:
    """The mistake is found when the function starts, not when all callers are turned away."""
    entry = issuer_entry(Signer.make("ES256"))
    entry["jwks"]["keys"][0].update(change)
    message = refused(EFT_AUTH=json.dumps({"issuers": [entry]}))
    assert "EFT_AUTH" in message
    assert why in message


@pytest.mark.parametrize("jwks", [{}, {"keys": []}, {"keys": [5]}, {"keys": [{}]}, {"keys": "x"}, [], None], ids=str)
def test_key_sets_that_are_none(jwks: object) -> None:
    entry = {**issuer_entry(Signer.make("ES256")), "jwks": jwks}
    assert "EFT_AUTH" in refused(EFT_AUTH=json.dumps({"issuers": [entry]}))


def test_a_secret_without_an_algorithm() -> None:
    entry = issuer_entry(Signer.make("ES256"))
    entry["jwks"]["keys"] = [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}]
    assert "HS256 is not one of" in refused(EFT_AUTH=json.dumps({"issuers": [entry]}))


def test_two_keys_of_one_name() -> None:
    message = refused(EFT_AUTH=auth_json(Signer.make("ES256"), Signer.make("ES256")))
    assert "kid of its own" in message


def test_a_private_key() -> None:
    signer = Signer.make("EdDSA")
    entry = issuer_entry(signer)
    entry["jwks"]["keys"] = [{**signer.jwk, "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]
    message = refused(EFT_AUTH=json.dumps({"issuers": [entry]}))
    assert "private" in message
    assert "nWGxne" not in message


def test_a_short_rsa_key() -> None:
    weak = Signer(rsa.generate_private_key(65537, 1024), "k1", "RS256")
    assert "1024 bits; RSA needs 2048" in refused(EFT_AUTH=auth_json(weak))


URL = "https://id.example.com/keys"


def published(**changes: Any) -> str:
    entry = {"issuer": "https://id.example.com", "audience": "eft", "jwks_url": URL, **changes}
    return json.dumps({"issuers": [{name: value for name, value in entry.items() if value is not None}]})


def test_an_issuer_that_publishes_its_keys() -> None:
    [issuer] = settings.read(environ(EFT_AUTH=published(tenant_claim="org"))).issuers
    assert issuer == Issuer("https://id.example.com", "eft", "org", {}, URL)


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/keys",
        "http://localhost:8080/keys",
        "http://127.0.0.1/keys",
        "HTTP://id.example.com/keys",
        "file:///etc/passwd",
        "ftp://id.example.com/keys",
        "//id.example.com/keys",
        "id.example.com/keys",
        "https://",
        "https:///keys",
        "https://user:secret@id.example.com/keys",
        "https://id.example.com/keys#1",
        "",
    ],
)
def test_keys_come_over_https_from_a_named_host(url: str) -> None:
    """This holds for the local cloud too: a setting that does not exist can't be made in production by mistake."""
    message = refused(EFT_AUTH=published(jwks_url=url))
    assert "jwks_url must be https://" in message
    assert "secret" not in message


def test_keys_come_from_one_source() -> None:
    key_set = issuer_entry(Signer.make("ES256"))["jwks"]
    for changes in ({"jwks": key_set}, {"jwks_url": None}):
        assert "one of the two" in refused(EFT_AUTH=published(**changes))


def test_a_tenant_claim_has_a_name() -> None:
    assert "TENANT_CLAIM" in refused(EFT_AUTH=published(tenant_claim=""))
