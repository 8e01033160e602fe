"""Decides which public keys of token issuers are accepted, and for how long. PyJWT parses the keys; nothing here makes
a request."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""The permitted signature algorithms. There is no symmetric one and no "none": a public key must never serve as a
shared secret."""
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1"}
"""The curve of each algorithm (RFC 7518, section 3.4); PyJWT accepts any."""
RSA_MIN_BITS = 2048
ANSWER_MAX_BYTES = 256 * 1024
"""The size limit of an issuer's key set. Real key sets have a few kilobytes."""
KEYS_MAX = 100
"""The most keys that one issuer may have, including those that it no longer publishes."""
_MEMBERS = ("kty", "kid", "alg", "use", "n", "e", "crv", "x", "y")
"""The members of a key that are kept: no certificates, and nothing that we don't read."""


class UnusableKeys(ValueError):
    """A key or a key set that must not be trusted. The message says why, without showing it."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A service that may sign tokens. Its keys are either configured or published under a URL."""

    name: str
    audience: str
    tenant_claim: str
    keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict)
    """By id. Empty if the issuer publishes its keys."""
    jwks_url: str = ""


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A public key that an issuer has published."""

    jwk: dict[str, str]
    left_ms: int | None = None
    """Since when the issuer no longer publishes it. None: it still does."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The keys of an issuer as one Region knows them."""

    issuer: str
    checked_ms: int
    """When the issuer last answered with usable keys."""
    keys: dict[str, KeptKey]


def record_key(issuer: str) -> str:
    """Return the key under which a control bucket keeps an issuer's record."""
    return f"keys/{hashlib.sha256(issuer.encode()).hexdigest()[:40]}"


def signing_key(raw: Mapping[str, Any]) -> jwt.PyJWK:
    """Return the key in the form that signatures are checked with. Raises UnusableKeys if it must not be used."""
    title = f"key {raw.get('kid')!r}"
    if raw.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
        raise UnusableKeys(f"{title}: {raw['alg']!r} is not one of {', '.join(ALGORITHMS)}")
    try:
        key = jwt.PyJWK.from_dict(dict(raw))
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise UnusableKeys(f"{title} can't be used: {error}") from None
    if key.algorithm_name not in ALGORITHMS:
        raise UnusableKeys(f"{title}: {key.algorithm_name} is not one of {', '.join(ALGORITHMS)}")
    if hasattr(key.key, "private_bytes"):
        raise UnusableKeys(f"{title} is a private one: it must not leave its issuer")
    curve = _CURVES.get(key.algorithm_name)
    if curve is not None and key.key.curve.name != curve:
        raise UnusableKeys(f"{title}: {key.algorithm_name} is not for {key.key.curve.name}")
    if raw["kty"] == "RSA" and key.key.key_size < RSA_MIN_BITS:
        raise UnusableKeys(f"{title} has {key.key.key_size} bits; RSA needs {RSA_MIN_BITS}")
    if not isinstance(key.key_id, str) or not key.key_id:
        raise UnusableKeys(f"{title}: each key needs a kid of its own, a text")
    return key


def signs(raw: Mapping[str, Any]) -> bool:
    """Tell whether a key is for signatures. A key that states no purpose counts as one."""
    operations = raw.get("key_ops", ["verify"])
    return raw.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def published(body: bytes) -> dict[str, KeptKey]:
    """Return the usable keys in an issuer's answer, by id. Keys for other purposes or of other kinds are ignored (RFC
    7517, section 5). Raises UnusableKeys if no key is usable, or two have the same id."""
    if len(body) > ANSWER_MAX_BYTES:
        raise UnusableKeys(f"more than {ANSWER_MAX_BYTES} bytes")
    try:
        entries = json.loads(body)["keys"]
        if not isinstance(entries, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnusableKeys("not a JSON Web Key Set") from None
    if len(entries) > KEYS_MAX:
        raise UnusableKeys(f"{len(entries)} keys; at most {KEYS_MAX} are read")
    usable: dict[str, KeptKey] = {}
    reasons = []
    for raw in entries:
        if not isinstance(raw, dict) or not signs(raw):
            continue
        try:
            kid = signing_key(raw).key_id
        except UnusableKeys as error:
            reasons.append(str(error))
            continue
        assert kid is not None
        if kid in usable:
            raise UnusableKeys(f"two keys are called {kid!r}")
        usable[kid] = KeptKey({name: raw[name] for name in _MEMBERS if isinstance(raw.get(name), str)})
    if not usable:
        raise UnusableKeys("; ".join(["no key for signatures", *reasons]))
    return usable


def merge(
    before: KeyRecord | None, issuer: str, published_now: Mapping[str, KeptKey], now_ms: int, grace_ms: int
) -> KeyRecord:
    """Return the record with the keys that are published now and, for `grace_ms`, those that no longer are. A key that
    is published anew under the same id is replaced at once."""
    withdrawn = {
        kid: KeptKey(key.jwk, now_ms if key.left_ms is None else key.left_ms)
        for kid, key in (before.keys.items() if before else ())
        if kid not in published_now
    }
    in_grace = sorted(
        ((kid, key) for kid, key in withdrawn.items() if _is_accepted(key, now_ms, grace_ms)),
        key=lambda item: item[1].left_ms or 0,
        reverse=True,
    )
    return KeyRecord(issuer, now_ms, {**published_now, **dict(in_grace[: KEYS_MAX - len(published_now)])})


def due(record: KeyRecord | None, now_ms: int, refresh_ms: int) -> bool:
    """Tell whether to ask the issuer again. If the clock was set back, the answer is yes: the age is then unknown."""
    return record is None or not 0 <= now_ms - record.checked_ms < refresh_ms


def accepted(record: KeyRecord, now_ms: int, grace_ms: int) -> dict[str, KeptKey]:
    """Return the keys that are accepted now. It doesn't matter how long ago the issuer last answered: it may be down
    for days."""
    return {kid: key for kid, key in record.keys.items() if _is_accepted(key, now_ms, grace_ms)}


def _is_accepted(key: KeptKey, now_ms: int, grace_ms: int) -> bool:
    return key.left_ms is None or now_ms - key.left_ms < grace_ms
