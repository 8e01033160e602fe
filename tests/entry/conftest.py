"""Provide the API over memory, and keys for its tokens."""

from collections.abc import Iterator

import hypothesis
import pytest

from chalicelib import settings
from tests.entry.api import Api, make_api
from tests.entry.environ import environ
from tests.entry.tokens import Signer, auth_json

# The machine may be busy, so no example fails because it is slow. The findings of a run depend on the product alone.
hypothesis.settings.register_profile("entry", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("entry")


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer.make("ES256")


@pytest.fixture
def api(signer: Signer) -> Iterator[Api]:
    """Yield the API of West."""
    api = make_api(settings.read(environ(EFT_AUTH=auth_json(signer))), signer)
    with api.over(api.env):
        yield api
