"""Test the single API name through the real gateway. A bucket stands for each Region's API. The API is healthy while
the bucket has the object `health`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from local.gateway.launch import EAST, WEST
from tests.gateway.conftest import Cloud

pytestmark = pytest.mark.cloud


@pytest.fixture
def apis(clean: Cloud, s3: Any, bucket: str) -> Iterator[dict[str, str]]:
    """Return the bucket that stands for the API, by Region. Both are buckets of West, since unsigned reads don't
    care."""
    names = {WEST: bucket, EAST: f"{bucket}-e"}
    s3.create_bucket(Bucket=names[EAST], CreateBucketConfiguration={"LocationConstraint": WEST})
    for region, name in names.items():
        s3.put_object(Bucket=name, Key="health", Body=b"ok")
        s3.put_object(Bucket=name, Key="who", Body=region.encode())
    clean.control("PUT", "apis", {region: {"path": f"/{name}"} for region, name in names.items()})
    eventually(lambda: ask(clean.gateway.api_url) == WEST)
    yield names
    clean.control("PUT", "apis", {})


def ask(url: str) -> str:
    """Return the Region that answers, or "closed"."""
    try:
        return httpx.get(f"{url}/who", trust_env=False).text
    except httpx.TransportError:
        return "closed"


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"


def test_each_regions_own_name_always_goes_there(clean: Cloud, apis: dict[str, str]) -> None:
    for region in apis:
        assert ask(clean.gateway.region_api_url(region)) == region


def test_an_unhealthy_region_is_left_and_returned_to(clean: Cloud, apis: dict[str, str], s3: Any) -> None:
    url = clean.gateway.api_url
    s3.delete_object(Bucket=apis[WEST], Key="health")  # The answer is 404, as before anything is deployed.
    eventually(lambda: ask(url) == EAST)
    s3.put_object(Bucket=apis[WEST], Key="health", Body=b"ok")
    eventually(lambda: ask(url) == WEST)
    routing = clean.control("GET", "routing")
    kinds = [(change["kind"], change["region"]) for change in routing["changes"]]
    assert kinds[-4:] == [("health", WEST), ("resolver", EAST), ("health", WEST), ("resolver", WEST)]
    stamps = [change["at_ms"] for change in routing["changes"]]
    assert stamps == sorted(stamps)
    assert abs(routing["now_ms"] - time.time() * 1000) < 60_000


def test_a_cut_region_closes_connections_until_the_name_moves(clean: Cloud, apis: dict[str, str]) -> None:
    url = clean.gateway.api_url
    clean.control("PUT", f"cut/{WEST}")
    assert ask(clean.gateway.region_api_url(WEST)) == "closed"
    answers: list[str] = []

    def moved() -> bool:
        answers.append(ask(url))
        return answers[-1] == EAST

    eventually(moved)
    assert set(answers[:-1]) <= {"closed"}
    clean.control("DELETE", f"cut/{WEST}")
    eventually(lambda: ask(url) == WEST)


def test_if_both_are_unhealthy_the_primary_answers(clean: Cloud, apis: dict[str, str], s3: Any) -> None:
    for name in apis.values():
        s3.delete_object(Bucket=name, Key="health")

    def both_unhealthy() -> bool:
        health = clean.control("GET", "routing")["health"]
        return not any(state["healthy"] for state in health.values())

    eventually(both_unhealthy)
    eventually(lambda: ask(clean.gateway.api_url) == WEST)


def test_faults_reach_health_checks(clean: Cloud, apis: dict[str, str]) -> None:
    match = {"caller": f"api-{WEST}"}
    error = {"kind": "error", "status": 500, "code": "InternalError"}
    clean.control("PUT", "faults", [{"id": "ill", "match": match, "action": error}])
    eventually(lambda: ask(clean.gateway.api_url) == EAST)


def test_requests_arrive_untouched(clean: Cloud, apis: dict[str, str], s3: Any) -> None:
    answer = httpx.put(
        f"{clean.gateway.api_url}/a%2Fb%20c", content=b"body", headers={"x-amz-meta-own": "1"}, trust_env=False
    )
    assert answer.status_code == 200
    fetched = s3.get_object(Bucket=apis[WEST], Key="a/b c")
    assert (fetched["Body"].read(), fetched["Metadata"]) == (b"body", {"own": "1"})


def test_before_a_deployment_the_name_says_so(clean: Cloud) -> None:
    clean.control("PUT", "apis", {})
    answer = httpx.get(f"{clean.gateway.api_url}/jobs", trust_env=False)
    assert answer.status_code == 503
    assert "_gateway/apis" in answer.json()["error"]
