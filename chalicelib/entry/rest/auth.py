"""Bearer tokens (JWT). Keys come from the settings, so that nothing is called on the way in, and both Regions accept
the same tokens."""

from dataclasses import dataclass

import jwt

from chalicelib.settings import Auth, Issuer

ASYMMETRIC = ("RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA")
"""No symmetric algorithm and no "none": a public key must never serve as a shared secret."""
LEEWAY_S = 30


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
    except jwt.PyJWTError:
        return None


def _verify(issuer: Issuer, token: str) -> Identity | None:
    kid = jwt.get_unverified_header(token).get("kid")
    key = next((key for key in jwt.PyJWKSet.from_dict(issuer.jwks).keys if key.key_id == kid), None)
    if key is None or key.algorithm_name not in ASYMMETRIC:
        return None
    claims = jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        audience=issuer.audience,
        issuer=issuer.issuer,
        leeway=LEEWAY_S,
        options={"require": ["exp", "iss", "aud", "sub", "tenant"]},
    )
    scope = claims.get("scope", "")
    if not isinstance(claims["tenant"], str) or not isinstance(scope, str):
        return None
    return Identity(str(claims["sub"]), claims["tenant"], frozenset(scope.split()))
