"""Issue the local cloud's tokens. The issuer mints tokens and publishes its keys as a company's OIDC provider would."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm

ISSUER = "https://issuer.eft.localhost"
AUDIENCE = "eft"
_PUBLISHED = 2
"""Number of keys published at a time: the one that signs and the one before it."""
_DAY_S = 86_400


@dataclass(frozen=True)
class Issuer:
    """A token issuer. `keys` are the published keys by id, the newest first; the newest signs. They are stored in
    `file`, so that other processes can mint tokens, rotate the keys, and publish the current ones."""

    file: Path
    keys: dict[str, ec.EllipticCurvePrivateKey]

    @staticmethod
    def create(file: Path) -> Issuer:
        return Issuer(file, {})._with_a_new_key("local-1")

    @staticmethod
    def load(file: Path) -> Issuer:
        keys = {}
        for kid, pem in json.loads(file.read_text()).items():
            key = load_pem_private_key(pem.encode(), password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey), f"{file} is not ours"
            keys[kid] = key
        return Issuer(file, keys)

    def rotate(self) -> Issuer:
        """Return the issuer with a new key, which signs from now on. The key before it stays published; older ones
        don't."""
        return self._with_a_new_key(f"local-{int(self.kid.removeprefix('local-')) + 1}")

    def _with_a_new_key(self, kid: str) -> Issuer:
        keys = {kid: ec.generate_private_key(ec.SECP256R1()), **self.keys}
        issuer = Issuer(self.file, dict(list(keys.items())[:_PUBLISHED]))
        # Write under another name first, so that a concurrent reader always finds a whole file.
        draft = self.file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({name: _pem(key) for name, key in issuer.keys.items()}))
        os.replace(draft, self.file)
        return issuer

    @property
    def kid(self) -> str:
        """The id of the key that signs."""
        return next(iter(self.keys))

    def jwks(self) -> bytes:
        """Return the published JSON Web Key Set: the public halves of the keys."""
        keys = [
            ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig", "alg": "ES256"}
            for kid, key in self.keys.items()
        ]
        return json.dumps({"keys": keys}).encode()

    def token(
        self,
        *,
        tenant: str = "demo",
        subject: str = "developer",
        scope: str = "read write administer operate",
        lifetime_s: int = 30 * _DAY_S,
    ) -> str:
        now_s = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "tenant": tenant,
            "scope": scope,
            "iat": now_s,
            "exp": now_s + lifetime_s,
        }
        return jwt.encode(claims, self.keys[self.kid], algorithm="ES256", headers={"kid": self.kid})


def auth_json(jwks_url: str) -> str:
    """Return the value of the stacks' parameter AuthJson: the trusted issuer, and the URL of its keys."""
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": jwks_url}
    return json.dumps({"issuers": [issuer]}, separators=(",", ":"))


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
