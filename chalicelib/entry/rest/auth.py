"""Bearer tokens (JWT). Keys come from the settings, so that nothing is called on the way in, and both Regions accept
the same tokens."""

from dataclasses import dataclass

import jwt

from chalicelib.settings import Auth, Issuer

READ, WRITE, ADMINISTER, OPERATE = "read", "write", "administer", "operate"
"""The scopes that operations ask for: look, submit and steer jobs, change what jobs may name, see all tenants' work."""
LEEWAY_S = 30
REQUIRED = ["exp", "iss", "aud", "sub", "tenant"]


@dataclass(frozen=True, slots=True)
class Identity:
    subject: str
    tenant: str
    scopes: frozenset[str]


def identify(auth: Auth, header: str) -> Identity | None:
    """Who sends this Authorization header; None for anything that doesn't prove it."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        issuer = next((known for known in auth.issuers if known.issuer == claimed), None)
        return _verify(issuer, token) if issuer else None
    except (jwt.PyJWTError, ValueError, RecursionError):
        # RecursionError: JSON nested thousands deep, which fits into a header.
        return None


def _verify(issuer: Issuer, token: str) -> Identity | None:
    key = issuer.keys.get(jwt.get_unverified_header(token).get("kid", ""))
    if key is None:
        return None
    # The algorithm is the key's, never the token's own word.
    claims = jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        audience=issuer.audience,
        issuer=issuer.issuer,
        leeway=LEEWAY_S,
        options={"require": REQUIRED},
    )
    tenant, scope = claims["tenant"], claims.get("scope", "")
    if not isinstance(tenant, str) or not tenant or not isinstance(scope, str):
        return None
    return Identity(claims["sub"], tenant, frozenset(scope.split()))
