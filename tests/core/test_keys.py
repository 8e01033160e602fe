"""Which keys count, of an issuer's answer and of its earlier answers."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chalicelib.core import codec
from chalicelib.core.keys import (
    ANSWER_MAX_BYTES,
    KEYS_MAX,
    KeptKey,
    KeyRecord,
    UnusableKeys,
    accepted,
    due,
    merge,
    published,
    record_key,
)
from tests.entry.tokens import Signer

ES256 = Signer.make("ES256").jwk
GRACE_MS = 1000


def answer(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def named(kid: str) -> dict[str, Any]:
    return {**ES256, "kid": kid}


# --- what an issuer answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_key_of_each_kind(algorithm: str) -> None:
    jwk = {name: value for name, value in Signer.make(algorithm).jwk.items() if name != "key_ops"}
    assert published(answer(jwk)) == {"k1": KeptKey(jwk)}


def test_what_we_do_not_read_is_not_kept() -> None:
    extra = {"x5c": ["MIIB"], "x5t": "abc", "issuer": "https://login.example.com/{tenantid}/v2.0"}
    assert published(answer({**ES256, **extra})) == {"k1": KeptKey(ES256)}


UNUSABLE = {
    "a secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
    "a secret with an algorithm of ours": {"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "RS256"},
    "an algorithm we don't take": Signer.make("ES512", "x").jwk,
    "RSA for HMAC": {**Signer.make("RS256", "x").jwk, "alg": "HS256"},
    "none": {**Signer.make("RS256", "x").jwk, "alg": "none"},
    "encryption": {**Signer.make("RS256", "x").jwk, "use": "enc"},
    "another use": {**Signer.make("RS256", "x").jwk, "use": ["sig"]},
    "for signing": {**ES256, "kid": "x", "key_ops": ["sign"]},
    "operations that are none": {**ES256, "kid": "x", "key_ops": 5},
    "a short RSA key": Signer(rsa.generate_private_key(65537, 1024), "x", "RS256").jwk,
    "another curve": {"kty": "EC", "crv": "secp256k1", "kid": "x", "x": "AA", "y": "AA"},
    "not on its curve": {**ES256, "kid": "x", "y": ES256["x"]},
    "a curve for another algorithm": {**Signer.make("ES384", "x").jwk, "alg": "ES256"},
    "an unknown type": {"kty": "XYZ", "kid": "x"},
    "no type": {"kid": "x"},
    "no name": {name: value for name, value in ES256.items() if name != "kid"},
    "an empty name": {**ES256, "kid": ""},
    "a name that is none": {**ES256, "kid": 5},
    "no key": "x",
    "null": None,
    "a private key": {**ES256, "kid": "x", "d": ES256["x"]},
}


@pytest.mark.parametrize("raw", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_key_that_does_not_count_stands_beside_those_that_do(raw: object) -> None:
    assert published(answer(raw, ES256)).keys() == {"k1"}
    with pytest.raises(UnusableKeys, match="no key for signatures"):
        published(answer(raw))


@pytest.mark.parametrize("private", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())])
def test_a_private_key_is_not_kept_nor_shown(private: Any) -> None:
    maker = RSAAlgorithm if isinstance(private, rsa.RSAPrivateKey) else ECAlgorithm
    raw = {**maker.to_jwk(private, as_dict=True), "kid": "x", "key_ops": ["sign", "verify"]}
    with pytest.raises(UnusableKeys, match="private") as error:
        published(answer(raw))
    assert raw["d"] not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": null}',
        b'{"keys": {}}',
        b'{"keys": "abc"}',
        b'{"keys": []}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"<html><title>Sign in</title></html>",
    ],
    ids=lambda body: repr(body[:16]),
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(UnusableKeys):
        published(body)


def test_an_answer_without_measure() -> None:
    with pytest.raises(UnusableKeys, match="bytes"):
        published(answer(ES256) + b" " * ANSWER_MAX_BYTES)
    with pytest.raises(UnusableKeys, match=f"{KEYS_MAX + 1} keys"):
        published(answer(*(named(str(number)) for number in range(KEYS_MAX + 1))))


def test_two_keys_of_one_name() -> None:
    """Nobody can tell which of them is meant."""
    with pytest.raises(UnusableKeys, match="two keys"):
        published(answer(ES256, Signer.make("RS256").jwk))


# --- and what it answered before ----------------------------------------------------------------------------------


def kept(*names: str) -> dict[str, KeptKey]:
    return {name: KeptKey(named(name)) for name in names}


def known(record: KeyRecord, now_ms: int) -> set[str]:
    return set(accepted(record, now_ms, GRACE_MS))


def test_the_first_answer() -> None:
    record = merge(None, "iss", kept("a"), 5, GRACE_MS)
    assert record == KeyRecord("iss", 5, kept("a"))


def test_a_rotation() -> None:
    """Both keys are published side by side. Then the old one leaves, counts for a while, and is gone."""
    both = merge(merge(None, "iss", kept("old"), 0, GRACE_MS), "iss", kept("old", "new"), 10, GRACE_MS)
    assert known(both, 10) == {"old", "new"}
    after = merge(both, "iss", kept("new"), 20, GRACE_MS)
    assert after.keys["old"].left_ms == 20
    assert known(after, 20 + GRACE_MS - 1) == {"old", "new"}
    # This holds while the issuer is down, too, because nothing is fetched for it.
    assert known(after, 20 + GRACE_MS) == {"new"}
    later = merge(after, "iss", kept("new"), 30, GRACE_MS)
    assert later.keys["old"].left_ms == 20, "it left once"
    assert merge(later, "iss", kept("new"), 20 + GRACE_MS, GRACE_MS).keys.keys() == {"new"}


def test_a_key_that_comes_back() -> None:
    record = merge(merge(None, "iss", kept("a", "b"), 0, GRACE_MS), "iss", kept("b"), 10, GRACE_MS)
    assert merge(record, "iss", kept("a", "b"), 20, GRACE_MS).keys["a"].left_ms is None


def test_another_key_under_the_same_name_replaces_it_at_once() -> None:
    before = merge(None, "iss", kept("a"), 0, GRACE_MS)
    other = {"a": KeptKey(Signer.make("RS256", "a").jwk)}
    assert merge(before, "iss", other, 10, GRACE_MS).keys == other


def test_an_issuer_that_rotates_without_end() -> None:
    record = merge(None, "iss", kept("0"), 0, GRACE_MS)
    for number in range(1, 3 * KEYS_MAX):
        record = merge(record, "iss", kept(str(number)), number, GRACE_MS)
    assert len(record.keys) == KEYS_MAX
    assert str(3 * KEYS_MAX - 2) in record.keys, "the latest that left"


def test_keys_count_however_long_ago_the_issuer_answered() -> None:
    assert known(merge(None, "iss", kept("a"), 0, GRACE_MS), 365 * 86_400_000) == {"a"}


def test_when_it_is_asked_again() -> None:
    record = KeyRecord("iss", 1000, kept("a"))
    assert due(None, 0, 100)
    assert not due(record, 1000, 100)
    assert not due(record, 1099, 100)
    assert due(record, 1100, 100)
    assert due(record, 999, 100), "the clock was set back"


def test_the_record_is_written_and_read() -> None:
    record = merge(merge(None, "iss", kept("a", "b"), 1, GRACE_MS), "iss", kept("b"), 2, GRACE_MS)
    assert codec.loads(codec.dumps(record), KeyRecord) == record


def test_an_issuers_name_is_no_path() -> None:
    for name in ("https://id.example.com/../..", "a/b", "", "\U0001f600" * 1000):
        assert record_key(name).count("/") == 1
        assert record_key(name).isascii()
    assert record_key("a") != record_key("A")
