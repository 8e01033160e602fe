"""The answer to any request of a client is in order: it is never a 500, and every error is a complete problem."""

import json
from functools import cache
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import settings
from tests.entry.api import Api, Reply, make_api
from tests.entry.environ import environ
from tests.entry.strategies import JSON, TEXT
from tests.entry.tokens import Signer, auth_json


@cache
def api() -> Api:
    signer = Signer.make("ES256")
    return make_api(settings.read(environ(EFT_AUTH=auth_json(signer))), signer)


def ask(method: str, path: str, raw: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
    with api().over(api().env):
        reply = api().call(method, path, raw=raw, headers=headers)
    assert reply.status < 500, reply.body
    if reply.status >= 400:
        reply.problem(reply.status, reply.json["type"].rsplit(":", 1)[1])
    return reply


NAMES = st.sampled_from(["source-west", "source-east", "target-west", "target-east", "theirs"]) | TEXT
ENDS = st.fixed_dictionaries({"endpoint": NAMES}, optional={"prefix": TEXT}) | JSON
BODIES = st.fixed_dictionaries(
    {"source": ENDS, "target": ENDS},
    optional={"mode": st.sampled_from(["never", "always"]) | JSON, "labels": st.dictionaries(TEXT, TEXT) | JSON},
)


@given(BODIES)
def test_bodies_that_are_nearly_right(body: Any) -> None:
    assert ask("POST", "/jobs", json.dumps(body).encode()).status in (201, 400)


@given(JSON)
def test_any_json(body: Any) -> None:
    assert ask("POST", "/jobs", json.dumps(body).encode()).status == 400


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    assert ask("POST", "/jobs", raw).status == 400


@given(TEXT)
def test_any_key(key: str) -> None:
    body = b'{"source":{"endpoint":"source-west"},"target":{"endpoint":"target-east"}}'
    assert ask("POST", "/jobs", body, {"Idempotency-Key": key}).status in (200, 201, 400)


@given(name=st.sampled_from(["limit", "cursor", "outcome"]) | TEXT, value=TEXT)
def test_any_query(name: str, value: str) -> None:
    query = f"{quote(name, errors='replace')}={quote(value, errors='replace')}"
    for path in ("/jobs", f"/jobs/job-{'a' * 26}/objects"):
        assert ask("GET", f"{path}?{query}").status in (200, 400, 404)


@given(TEXT.filter(lambda text: "/" not in text and text.isprintable()))
def test_any_job(name: str) -> None:
    job_id = quote(name, safe="", errors="replace") or "x"
    assert ask("GET", f"/jobs/{job_id}").status == 404
    assert ask("GET", f"/jobs/{job_id}/objects").status == 404
