"""The local cloud's own token issuer: mints tokens and publishes its keys as a company's OIDC provider would."""

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
"""Keys at a time: the one that signs and the one before it."""
_DAY_S = 86_400


@dataclass(frozen=True)
class Issuer:
    """`keys` are the published ones by id, the newest first: that one signs. They are in `file`, so that other
    processes can mint tokens, rotate them, and publish what is left of them."""

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
        """A new key signs from now on; the one before stays published, those before that don't."""
        return self._with_a_new_key(f"local-{int(self.kid.removeprefix('local-')) + 1}")

    def _with_a_new_key(self, kid: str) -> Issuer:
        keys = {kid: ec.generate_private_key(ec.SECP256R1()), **self.keys}
        made = Issuer(self.file, dict(list(keys.items())[:_PUBLISHED]))
        # By another name first: whoever reads it meanwhile finds a whole one.
        draft = self.file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({name: _pem(key) for name, key in made.keys.items()}))
        os.replace(draft, self.file)
        return made

    @property
    def kid(self) -> str:
        """Of the key that signs."""
        return next(iter(self.keys))

    def jwks(self) -> bytes:
        """What it publishes: the public halves."""
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
        return jwt.encode(claims, self.keys[self.kid], algorithm="ES256", headers={"kid": self.kid})


def auth_json(jwks_url: str) -> str:
    """What the stacks' parameter AuthJson takes: who is trusted, and where his keys are."""
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": jwks_url}
    return json.dumps({"issuers": [issuer]}, separators=(",", ":"))


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
