"""Test bearer tokens: which ones are let in, and as which identity."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import bearer
from chalicelib import settings
from chalicelib.entry.rest.auth import Identity, identify
from chalicelib.entry.rest.keyring import Keyring
from simulation.memory.env import make_env
from tests.entry.api import Api, composition
from tests.entry.environ import environ
from tests.entry.strategies import JSON, TEXT
from tests.entry.tokens import AUDIENCE, ISSUER, Signer, auth_json, claims_of, issuer_entry

NOW_S = claims_of()["iat"] + 60
ANN = Identity("ann", "acme", frozenset({"read", "write"}))


def auth_of(text: str) -> Keyring:
    eft_settings = settings.read(environ(EFT_AUTH=text))
    return composition(eft_settings, make_env()).keyring


@pytest.fixture(scope="module")
def rsa() -> Signer:
    return Signer.make("RS256")


@pytest.fixture(scope="module")
def auth(rsa: Signer) -> Keyring:
    return auth_of(auth_json(rsa))


@cache
def auth_of_one_key() -> Keyring:
    return auth_of(auth_json(Signer.make("ES256")))


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """Return a token with the signature that `sign` makes of it."""
    head, payload = b64(json.dumps(header).encode()), b64(json.dumps(claims).encode())
    return f"{head}.{payload}.{b64(sign(f'{head}.{payload}'.encode()))}"


# --- let in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_valid_token(algorithm: str) -> None:
    signer = Signer.make(algorithm)
    assert identify(auth_of(auth_json(signer)), f"Bearer {signer.token()}") == ANN


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_in_any_case(auth: Keyring, rsa: Signer, scheme: str) -> None:
    assert identify(auth, f"{scheme} {rsa.token()}") == ANN


def test_the_audience_may_be_one_of_several(auth: Keyring, rsa: Signer) -> None:
    assert identify(auth, f"Bearer {rsa.token(aud=['other', AUDIENCE])}") == ANN


@pytest.mark.parametrize(("scope", "scopes"), [("", set()), ("read", {"read"}), (" read  write ", {"read", "write"})])
def test_scopes(auth: Keyring, rsa: Signer, scope: str, scopes: set[str]) -> None:
    assert identify(auth, f"Bearer {rsa.token(scope=scope)}") == Identity("ann", "acme", frozenset(scopes))


def test_scopes_as_an_array(auth: Keyring, rsa: Signer) -> None:
    """Entra ID and Okta write scopes as an array in `scp`. The standard's `scope` counts alone where it is given."""
    token = rsa.token(without=("scope",), scp=["read", "operate"])
    assert identify(auth, f"Bearer {token}") == Identity("ann", "acme", frozenset({"read", "operate"}))
    assert identify(auth, f"Bearer {rsa.token(scp=['operate'])}") == ANN


@pytest.mark.parametrize("scp", ["read", None, 5, [5], ["read", None], {"read": 1}], ids=repr)
def test_an_array_that_is_none(auth: Keyring, rsa: Signer, scp: object) -> None:
    assert identify(auth, f"Bearer {rsa.token(without=('scope',), scp=scp)}") is None


def test_the_tenant_in_another_claim() -> None:
    signer = Signer.make("ES256")
    entry = {**issuer_entry(signer), "tenant_claim": "https://company.gov/org"}
    auth = auth_of(json.dumps({"issuers": [entry]}))
    claims: dict[str, Any] = {"tenant": "other", "https://company.gov/org": "acme"}
    token = signer.token(**claims)
    assert identify(auth, f"Bearer {token}") == ANN
    assert identify(auth, f"Bearer {signer.token()}") is None


def test_no_scope_at_all(auth: Keyring, rsa: Signer) -> None:
    assert identify(auth, f"Bearer {rsa.token(without=('scope',))}") == Identity("ann", "acme", frozenset())


@pytest.mark.parametrize(("claim", "by_s"), [("exp", -5), ("nbf", 5), ("iat", 5)])
def test_clocks_may_differ_by_seconds(auth: Keyring, rsa: Signer, claim: str, by_s: int) -> None:
    now_s = claims_of()["iat"] + 60
    assert identify(auth, f"Bearer {rsa.token(**{claim: now_s + by_s})}") == ANN


def test_two_keys_while_one_replaces_the_other() -> None:
    old_signer, new_signer = Signer.make("ES256", "2026"), Signer.make("RS256", "2027")
    auth = auth_of(auth_json(old_signer, new_signer))
    assert identify(auth, f"Bearer {old_signer.token()}") == ANN
    assert identify(auth, f"Bearer {new_signer.token()}") == ANN
    assert identify(auth, f"Bearer {old_signer.token(kid='2027')}") is None


def test_two_issuers() -> None:
    first_signer, second_signer = Signer.make("ES256"), Signer.make("ES256")
    entries = [issuer_entry(first_signer), issuer_entry(second_signer, issuer="https://two", audience="eft-two")]
    auth = auth_of(json.dumps({"issuers": entries}))
    assert identify(auth, f"Bearer {first_signer.token()}") == ANN
    assert identify(auth, f"Bearer {second_signer.token(iss='https://two', aud='eft-two')}") == ANN
    # Each key vouches for its own issuer only, though both have the same kid.
    assert identify(auth, f"Bearer {first_signer.token(iss='https://two', aud='eft-two')}") is None
    assert identify(auth, f"Bearer {second_signer.token()}") is None
    assert identify(auth, f"Bearer {second_signer.token(iss='https://two')}") is None


def test_a_key_for_encryption_beside(rsa: Signer) -> None:
    """Some identity providers publish such a key. Nothing is ever signed with it."""
    entry = issuer_entry(rsa)
    encryption_key = Signer.make("RS256", "enc")
    entry["jwks"]["keys"].append({**encryption_key.jwk, "use": "enc", "alg": "RSA-OAEP"})
    auth = auth_of(json.dumps({"issuers": [entry]}))
    assert identify(auth, f"Bearer {rsa.token()}") == ANN
    assert identify(auth, f"Bearer {encryption_key.token()}") is None


# --- kept out -----------------------------------------------------------------------------------------------------


def relative_to_now(claims: dict[str, Any]) -> str:
    """Return a test name that is the same in each of pytest's workers, whenever it starts."""
    return str(
        {name: value - NOW_S if isinstance(value, int) and value > 1000 else value for name, value in claims.items()}
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_S - 3600},
        {"nbf": NOW_S + 3600},
        {"iat": NOW_S + 3600},
        {"aud": "another service"},
        {"aud": []},
        {"aud": 5},
        {"iss": "https://id.example.com/"},
        {"iss": "https://evil.example.com"},
        {"iss": [ISSUER]},
        {"exp": "soon"},
        {"tenant": ""},
        {"tenant": None},
        {"tenant": 7},
        {"tenant": ["acme"]},
        {"tenant": {"acme": 1}},
        {"scope": ["read", "write"]},
        {"scope": None},
        {"scope": 1},
        {"sub": 5},
    ],
    ids=relative_to_now,
)
def test_claims_that_do_not_prove_it(auth: Keyring, rsa: Signer, claims: dict[str, Any]) -> None:
    # PyJWT doesn't sign an issuer that is no string.
    token = forged(
        {"alg": "RS256", "kid": "k1"},
        claims_of(**claims),
        lambda signed: jwt.get_algorithm_by_name("RS256").sign(signed, rsa.key),
    )
    assert identify(auth, f"Bearer {token}") is None


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub", "tenant"])
def test_a_claim_that_is_missing(auth: Keyring, rsa: Signer, claim: str) -> None:
    assert identify(auth, f"Bearer {rsa.token(without=(claim,))}") is None


@pytest.mark.parametrize("kid", [None, "k2", "K1", "k1 "])
def test_a_key_that_nobody_knows(auth: Keyring, rsa: Signer, kid: str | None) -> None:
    assert identify(auth, f"Bearer {rsa.token(kid=kid)}") is None


def test_a_key_of_somebody_else(auth: Keyring) -> None:
    assert identify(auth, f"Bearer {Signer.make('RS256').token()}") is None


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_no_signature(auth: Keyring, algorithm: str) -> None:
    assert identify(auth, f"Bearer {forged({'alg': algorithm, 'kid': 'k1'}, claims_of())}") is None


@pytest.mark.parametrize("secret", ["pem", "stripped", "jwk", "n"])
def test_the_public_key_as_a_shared_secret(auth: Keyring, rsa: Signer, secret: str) -> None:
    """The public key is no secret: an HMAC made with it must prove nothing (key confusion)."""
    secrets = {
        "pem": rsa.public_pem,
        "stripped": rsa.public_pem.strip(),
        "jwk": json.dumps(rsa.jwk).encode(),
        "n": rsa.jwk["n"].encode(),
    }

    def sign(signed: bytes) -> bytes:
        return hmac.new(secrets[secret], signed, hashlib.sha256).digest()

    assert identify(auth, f"Bearer {forged({'alg': 'HS256', 'kid': 'k1'}, claims_of(), sign)}") is None


def test_another_algorithm_of_the_same_key(auth: Keyring, rsa: Signer) -> None:
    """The key is published for RS256. The token can't choose another algorithm."""
    pss_signer = Signer(rsa.key, rsa.kid, "PS256")
    assert identify(auth, f"Bearer {pss_signer.token()}") is None


def test_a_key_that_the_token_brings_along(auth: Keyring) -> None:
    mine = Signer.make("RS256")
    for header in ({"jwk": mine.jwk}, {"jku": "https://evil.example.com/jwks"}, {"x5u": "https://evil.example.com"}):
        token = jwt.encode(claims_of(), mine.key, algorithm="RS256", headers={"kid": "k1", **header})
        assert identify(auth, f"Bearer {token}") is None


def test_a_token_that_was_changed(auth: Keyring, rsa: Signer) -> None:
    head, _, signature = rsa.token().split(".")
    richer = b64(json.dumps(claims_of(tenant="other")).encode())
    assert identify(auth, f"Bearer {head}.{richer}.{signature}") is None


def test_no_character_of_a_token_may_change(auth: Keyring, rsa: Signer) -> None:
    token = rsa.token()
    # The last character of a part may carry unused bits, which decoders ignore.
    ends = {len(token) - 1, token.index(".") - 1, token.rindex(".") - 1}
    for index in set(range(0, len(token), 7)) - ends:
        changed = "A" if token[index] != "A" else "B"
        assert identify(auth, f"Bearer {token[:index]}{changed}{token[index + 1 :]}") is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Basic YW5uOnB3",
        "Bearer x",
        "Bearer ..",
        "Bearer a.b.c",
        "Bearer a.b.c.d.e",
        "Bearer \ud800",
        "Bearer é.é.é",
        "Token x.y.z",
        f"Bearer {b64(b'[]')}.{b64(b'[]')}.",
        f"Bearer {b64(b'{}')}.{b64(b'null')}.",
        # The JSON is nested so deep that Python's parser gives up, and it fits into a header.
        f"Bearer {b64(b'{}')}.{b64(b'[' * 5000)}.",
        f"Bearer {b64(b'[' * 5000)}.{b64(b'{}')}.",
        f"Bearer {b64(json.dumps({'kid': 5}).encode())}.{b64(json.dumps({'iss': ISSUER}).encode())}.",
        f"Bearer {b64(b'{}')}.{b64(b'9' * 5000)}.",
    ],
    ids=lambda header: header[:24].encode("ascii", "replace").decode(),
)
def test_garbage(auth: Keyring, header: str) -> None:
    assert identify(auth, header) is None


def test_two_tokens(auth: Keyring, rsa: Signer) -> None:
    assert identify(auth, f"Bearer {rsa.token()} {rsa.token()}") is None
    assert identify(auth, f"Bearer {rsa.token()},Bearer {rsa.token()}") is None


@given(TEXT)
def test_any_text(text: str) -> None:
    nobody = auth_of('{"issuers": []}')
    assert identify(nobody, text) is None
    assert identify(nobody, f"Bearer {text}") is None


@given(header=JSON, claims=st.dictionaries(st.sampled_from(["iss", "aud", "exp", "sub", "tenant"]), JSON))
def test_any_json_as_a_token(header: Any, claims: dict[str, Any]) -> None:
    auth = auth_of_one_key()
    token = f"{b64(json.dumps(header).encode())}.{b64(json.dumps({**claims, 'iss': ISSUER}).encode())}.x"
    assert identify(auth, f"Bearer {token}") is None


def test_nobody_is_let_in_without_issuers(rsa: Signer) -> None:
    assert identify(auth_of('{"issuers": []}'), f"Bearer {rsa.token()}") is None


# --- through Chalice's authorizer ---------------------------------------------------------------------------------


def test_the_authorizer_lets_a_token_in(api: Api) -> None:
    reply = api.plain("GET", "/jobs", headers={"Authorization": f"Bearer {api.signer.token()}"})
    assert reply.status == 200


def test_the_authorizer_denies_what_proves_nothing(api: Api) -> None:
    expired = api.signer.token(exp=NOW_S - 3600)
    for header in (f"Bearer {expired}", "Bearer x", "Basic YW5uOnB3", ""):
        assert api.plain("GET", "/jobs", headers={"Authorization": header}).status == 403
        assert api.plain("POST", "/jobs", b"{}", {"Authorization": header}).status == 403


def test_no_token_at_all(api: Api) -> None:
    for path in ("/jobs", "/jobs/job-x", "/jobs/job-x/objects", "/endpoints", "/feeds"):
        assert api.plain("GET", path).status == 401


def test_health_needs_no_token(api: Api) -> None:
    assert api.plain("GET", "/health").status == 200


def test_what_the_authorizer_answers(api: Api) -> None:
    """The policy covers the whole API, since API Gateway keeps the answer for the token, whatever the route."""

    arn = "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abc123/api/GET/jobs"
    event = {"type": "TOKEN", "authorizationToken": f"Bearer {api.signer.token(scope='write read')}", "methodArn": arn}
    assert bearer(event, {}) == {
        "principalId": "ann",
        "context": {"tenant": "acme", "scopes": "read write"},
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": ["arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abc123/api/*/*"],
                }
            ],
        },
    }
    denied = bearer({**event, "authorizationToken": "Bearer x"}, {})
    assert denied["policyDocument"]["Statement"][0]["Resource"] == []
    assert denied["context"] == {}
