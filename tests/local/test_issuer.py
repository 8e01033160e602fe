"""The product accepts the tokens and the keys of the local issuer."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.keysource import HttpsKeySource
from chalicelib.core.keys import published
from chalicelib.entry.rest.auth import Identity, identify
from chalicelib.entry.rest.keyring import Keyring
from chalicelib.settings import read
from chalicelib.steps import keys
from local.issuer import ISSUER, Issuer, auth_json
from local.keyserver import KeyServer
from simulation.memory.env import make_env
from simulation.memory.keysource import MemoryKeySource
from tests.entry.api import composition
from tests.entry.environ import environ

URL = "https://127.0.0.1/keys"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer.create(tmp_path / "issuer.json")


def keyring_of(issuer: Issuer) -> Keyring:
    """Return the keyring after a sweep."""
    eft_settings = read(environ(EFT_AUTH=auth_json(URL)))
    env = make_env(issuers=eft_settings.issuers, key_source=MemoryKeySource({URL: issuer.jwks}))
    keys.run(env, env.clock.now_ms() + 60_000)
    return composition(eft_settings, env).keyring


def test_the_product_takes_its_tokens(issuer: Issuer) -> None:
    identity = identify(keyring_of(issuer), f"Bearer {issuer.token(tenant='acme', subject='ann', scope='read')}")
    assert identity == Identity("ann", "acme", frozenset({"read"}))


def test_another_clouds_tokens_are_refused(issuer: Issuer, tmp_path: Path) -> None:
    other = Issuer.create(tmp_path / "other.json")
    assert identify(keyring_of(issuer), f"Bearer {other.token()}") is None


def test_an_old_token_is_refused(issuer: Issuer) -> None:
    assert identify(keyring_of(issuer), f"Bearer {issuer.token(lifetime_s=-3600)}") is None


def test_its_keys_can_be_taken_up_again(issuer: Issuer) -> None:
    assert Issuer.load(issuer.file).jwks() == issuer.jwks()
    assert issuer.file.stat().st_mode & 0o077 == 0


def test_the_public_half_is_all_that_is_published(issuer: Issuer) -> None:
    (key,) = json.loads(issuer.jwks())["keys"]
    assert "d" not in key


def test_a_rotation(issuer: Issuer) -> None:
    second = issuer.rotate()
    assert (issuer.kid, second.kid, list(second.keys)) == ("local-1", "local-2", ["local-2", "local-1"])
    keyring = keyring_of(second)
    assert identify(keyring, f"Bearer {issuer.token()}")
    assert identify(keyring, f"Bearer {second.token()}")
    assert list(Issuer.load(issuer.file).rotate().keys) == ["local-3", "local-2"]
    assert issuer.file.stat().st_mode & 0o077 == 0


# --- over HTTPS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def server(issuer: Issuer, tmp_path: Path) -> Iterator[KeyServer]:
    server = KeyServer(issuer.file, tmp_path)
    yield server
    server.stop()


def test_it_publishes_them_to_whom_trusts_its_certificate(
    server: KeyServer, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    assert published(HttpsKeySource(3).fetch(server.url)).keys() == {"local-1"}
    # Any process may rotate the keys.
    Issuer.load(issuer.file).rotate()
    assert published(HttpsKeySource(3).fetch(server.url)).keys() == {"local-1", "local-2"}


def test_its_private_keys_are_its_own(server: KeyServer) -> None:
    assert (server.certificate.parent / "issuer-tls.pem").stat().st_mode & 0o077 == 0
    assert ISSUER in auth_json(server.url)
