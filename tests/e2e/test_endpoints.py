"""A location is registered by API, used by a job, and removed, over the running cloud."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import World

pytestmark = pytest.mark.cloud
NAME = "/endpoints/registered"


@pytest.fixture
def body(world: World) -> Iterator[dict[str, Any]]:
    """Return the body for a location in a bucket that carries the tenant's tag, as the template says."""
    bucket = world.west.source_bucket
    tags = world.s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert {"Key": "eft-tenants", "Value": "demo"} in tags
    owner = world.cloud.client("sts", "us-gov-west-1").get_caller_identity()["Account"]
    region = "us-gov-west-1"
    yield {"bucket": bucket, "region": region, "owner_account": owner, "prefix": "registered/", "access": "read"}
    world.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    world.http.delete(NAME)


def test_an_endpoint_is_registered_used_and_taken_back(world: World, body: dict[str, Any]) -> None:
    created = world.http.put(NAME, json=body, headers={"If-None-Match": "*"})
    assert created.status_code == 201, created.text
    assert world.http.post(f"{NAME}/check").json() == {"id": "registered", "usable": True, "findings": []}
    world.put("registered/a", b"content")
    ends = {"source": {"endpoint": "registered"}, "target": {"endpoint": "east-target", "prefix": "of-registered/"}}
    job = world.http.post("/jobs", json=ends).json()
    assert world.settled(job["id"])["state"] == "SUCCEEDED"
    assert world.read(world.east.target_bucket, "of-registered/a") == b"content"

    world.s3.put_bucket_tagging(
        Bucket=body["bucket"], Tagging={"TagSet": [{"Key": "eft-tenants", "Value": "somebody-else"}]}
    )
    refused = world.http.post("/jobs", json=ends)
    assert refused.status_code == 422, refused.text
    assert "'eft-tenants' must name your tenant" in refused.json()["detail"]

    removed = world.http.delete(NAME, headers={"If-Match": created.headers["ETag"]})
    assert (removed.status_code, removed.content) == (204, b"")
    assert world.http.get(NAME).status_code == 404
    trail = [(change["action"], change["id"]) for change in world.http.get("/audit").json()["changes"]]
    assert trail[:2] == [("removed", "registered"), ("created", "registered")]
