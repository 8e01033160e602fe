import json
from pathlib import Path

import pytest

from chalicelib.entry.rest.auth import identify
from chalicelib.settings import Auth
from local.issuer import Issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer.create(tmp_path / "key.pem")


def test_the_product_takes_its_tokens(issuer: Issuer) -> None:
    auth = Auth.model_validate(json.loads(issuer.auth_json()))
    found = identify(auth, f"Bearer {issuer.token(tenant='acme', subject='ann', scope='read')}")
    assert found is not None
    assert (found.subject, found.tenant, found.scopes) == ("ann", "acme", frozenset({"read"}))


def test_another_clouds_tokens_are_refused(issuer: Issuer, tmp_path: Path) -> None:
    auth = Auth.model_validate(json.loads(issuer.auth_json()))
    assert identify(auth, f"Bearer {Issuer.create(tmp_path / 'other.pem').token()}") is None


def test_an_old_token_is_refused(issuer: Issuer) -> None:
    auth = Auth.model_validate(json.loads(issuer.auth_json()))
    assert identify(auth, f"Bearer {issuer.token(lifetime_s=-3600)}") is None


def test_the_key_can_be_taken_up_again(issuer: Issuer, tmp_path: Path) -> None:
    assert Issuer.load(tmp_path / "key.pem").auth_json() == issuer.auth_json()
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_the_public_half_is_all_that_is_given_away(issuer: Issuer) -> None:
    (key,) = json.loads(issuer.auth_json())["issuers"][0]["jwks"]["keys"]
    assert "d" not in key
