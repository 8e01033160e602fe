"""The local cloud's own token issuer: a key pair made at start-up, whose public half goes into the stacks."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm

ISSUER = "https://issuer.eft.localhost"
AUDIENCE = "eft"
_KEY_ID = "local"
_DAY_S = 86_400


@dataclass(frozen=True)
class Issuer:
    """Mints bearer tokens as a company's OIDC provider would."""

    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def create(key_file: Path) -> Issuer:
        """A new key, kept in `key_file` so that `python -m local token` can mint more tokens later."""
        key = ec.generate_private_key(ec.SECP256R1())
        key_file.touch(mode=0o600)
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Issuer(key)

    @staticmethod
    def load(key_file: Path) -> Issuer:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file} holds no elliptic-curve key: take the local cloud down and up again")
        return Issuer(key)

    def auth_json(self) -> str:
        """What the stacks' parameter AuthJson takes: who is trusted, with the public key, so that checking a token
        needs no network."""
        public = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        jwks = {"keys": [public | {"kid": _KEY_ID, "use": "sig", "alg": "ES256"}]}
        issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks}
        return json.dumps({"issuers": [issuer]}, separators=(",", ":"))

    def token(
        self,
        *,
        tenant: str = "demo",
        subject: str = "developer",
        scope: str = "read write operate",
        lifetime_s: int = 30 * _DAY_S,
    ) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "tenant": tenant,
            "scope": scope,
            "iat": now,
            "exp": now + lifetime_s,
        }
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": _KEY_ID})
