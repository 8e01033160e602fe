"""Check bearer tokens (JWT). A check asks neither the issuer nor the other Region, and both Regions accept the same
tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from chalicelib.core.keys import Issuer
from chalicelib.entry.rest.keyring import Keyring

READ, WRITE, ADMINISTER, OPERATE = "read", "write", "administer", "operate"
"""The scopes that operations need: to look; to submit and control jobs; to change what jobs may name; to see the work
of all tenants."""
LEEWAY_S = 30
"""By how many seconds an issuer's clock and ours may differ, for `exp`, `nbf` and `iat`."""


@dataclass(frozen=True, slots=True)
class Identity:
    subject: str
    tenant: str
    scopes: frozenset[str]


def identify(keyring: Keyring, header: str) -> Identity | None:
    """Return the sender of an Authorization header, or None if the header proves no sender. Raises Retry if that can't
    be decided now. API Gateway then answers 503 (template.yaml, AUTHORIZER_FAILURE), and caches no verdict on the
    token."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        issuer_name = jwt.decode(token, options={"verify_signature": False}).get("iss")
        issuer = keyring.issuer(issuer_name) if isinstance(issuer_name, str) else None
        return _verify(keyring, issuer, token) if issuer else None
    except (jwt.PyJWTError, ValueError, RecursionError):
        # RecursionError: JSON nested thousands deep, which fits into a header.
        return None


def _verify(keyring: Keyring, issuer: Issuer, token: str) -> Identity | None:
    key = keyring.key(issuer, jwt.get_unverified_header(token).get("kid", ""))
    if key is None:
        return None
    # The algorithm comes from the key, never from the token.
    claims = jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        audience=issuer.audience,
        issuer=issuer.name,
        leeway=LEEWAY_S,
        options={"require": ["exp", "iss", "aud", "sub", issuer.tenant_claim]},
    )
    tenant, scopes = claims[issuer.tenant_claim], _scopes(claims)
    if not isinstance(tenant, str) or not tenant or scopes is None:
        return None
    return Identity(claims["sub"], tenant, scopes)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the token's scopes, or None if their form is wrong. The claim `scope` is a text with spaces between the
    scopes (RFC 8693, section 4.2). Some issuers send an array `scp` instead. If both are there, `scope` counts."""
    if "scope" in claims:
        scope = claims["scope"]
        return frozenset(scope.split()) if isinstance(scope, str) else None
    scopes = claims.get("scp", [])
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        return None
    return frozenset(scopes)
