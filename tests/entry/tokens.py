"""Make signing keys and tokens, as an identity provider would."""

import json
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://id.example.com"
AUDIENCE = "eft"
TENANT = "acme"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signer:
    """One key pair of an issuer."""

    key: PrivateKey
    kid: str
    algorithm: str

    @staticmethod
    def make(algorithm: str, kid: str = "k1") -> "Signer":
        if algorithm == "EdDSA":
            return Signer(ed25519.Ed25519PrivateKey.generate(), kid, algorithm)
        if algorithm.startswith("ES"):
            curve = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
            return Signer(ec.generate_private_key(curve), kid, algorithm)
        return Signer(rsa.generate_private_key(65537, 2048), kid, algorithm)

    @property
    def jwk(self) -> dict[str, Any]:
        """Return the public half, as a JWKS holds it."""
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            fields = RSAAlgorithm.to_jwk(public, as_dict=True)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            fields = ECAlgorithm.to_jwk(public, as_dict=True)
        else:
            fields = OKPAlgorithm.to_jwk(public, as_dict=True)
        return {**fields, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, *, kid: str | None = "", without: tuple[str, ...] = (), **claims: Any) -> str:
        """Return a token that is right in every claim that isn't given. `kid` None leaves the kid out."""
        headers = {} if kid is None else {"kid": kid or self.kid}
        return jwt.encode(claims_of(without, **claims), self.key, algorithm=self.algorithm, headers=headers)


def claims_of(without: tuple[str, ...] = (), **claims: Any) -> dict[str, Any]:
    now_s = int(time.time())
    standard = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "tenant": TENANT, "scope": "read write"}
    all_claims = {**standard, "iat": now_s - 60, "exp": now_s + 3600, **claims}
    return {name: value for name, value in all_claims.items() if name not in without}


def auth_json(*signers: Signer, issuer: str = ISSUER, audience: str = AUDIENCE) -> str:
    """Return EFT_AUTH for one issuer."""
    return json.dumps({"issuers": [issuer_entry(*signers, issuer=issuer, audience=audience)]})


def issuer_entry(*signers: Signer, issuer: str = ISSUER, audience: str = AUDIENCE) -> dict[str, Any]:
    return {"issuer": issuer, "audience": audience, "jwks": {"keys": [signer.jwk for signer in signers]}}
