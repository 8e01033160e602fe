"""Run one local cloud for the whole suite: both Regions, real processes, real HTTP. Times are short, so that repairs by
the sweep are seen within a test. The protocol is the same."""

import json
import os
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.config import Config

from local.cloud import Cloud
from local.deploy import CLIENT_CONFIG, session
from local.gateway.launch import EAST, WEST
from local.wait import wait_until

MIB = 1024 * 1024
POLICY = {
    "multipart_threshold_bytes": 8 * MIB,
    "part_size_bytes": 5 * MIB,
    "report_piece_bytes": 5 * MIB,
    "heartbeat_ms": 1_000,
    "lease_ttl_ms": 4_000,
    "redrive_after_ms": 4_000,
    "takeover_after_ms": 15_000,
    "rows_in_flight": 8,
    "parts_in_flight": 4,
    "backoff_base_ms": 20,
    "backoff_max_ms": 500,
    "schedule_interval_min_ms": 60_000,
    "webhook_backoff_base_ms": 2_500,
    "webhook_backoff_max_ms": 4_000,
    # Tests ask twenty times a second whether a job has settled.
    "requests_per_minute_per_tenant": 100_000,
}


def until_answered(ask: Callable[[], httpx.Response], timeout_s: float = 60) -> httpx.Response:
    """Repeat a request while it is answered 503, as the answer advises. A busy machine is slow, and the API answers
    within 5 s all the same. These tests don't measure the speed of the machine."""
    answers: list[httpx.Response] = []

    def answered() -> bool:
        answers.append(ask())
        return answers[-1].status_code != 503

    wait_until(answered, "an answer other than 503", timeout_s)
    answers[-1].history = answers[:-1]
    return answers[-1]


class World:
    """A running cloud and the actions of tests on it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.west, self.east = cloud.regions["west"], cloud.regions["east"]
        self.s3: Any = session(WEST).client(
            "s3",
            endpoint_url=cloud.endpoint_url,
            config=CLIENT_CONFIG.merge(Config(max_pool_connections=32)),
        )
        self.http = httpx.Client(
            base_url=cloud.api_url, headers={"Authorization": f"Bearer {cloud.token()}"}, timeout=35, trust_env=False
        )

    # --- jobs ---------------------------------------------------------------------------------------------------

    def submit(self, source_prefix: str, target_prefix: str, **changes: Any) -> str:
        body = {
            "source": {"endpoint": "west-source", "prefix": source_prefix},
            "target": {"endpoint": "east-target", "prefix": target_prefix},
            **changes,
        }
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        response = until_answered(lambda: self.http.post("/jobs", json=body, headers=headers))
        # A request that was answered 503 may have been accepted all the same: then its repetition gets a 200.
        assert response.status_code in ((200, 201) if response.history else (201,)), response.text
        return str(response.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        response = until_answered(lambda: self.http.get(f"/jobs/{job_id}"))
        assert response.status_code == 200, response.text
        view: dict[str, Any] = response.json()
        return view

    def settled(self, job_id: str, timeout_s: float = 90) -> dict[str, Any]:
        """Wait until a job is terminal, and return its view."""
        wait_until(lambda: self.job(job_id)["state"] not in ("PLANNING", "RUNNING"), f"{job_id} is settled", timeout_s)
        return self.job(job_id)

    def rows(self, job_id: str) -> list[dict[str, Any]]:
        """Return every row of a job, through all pages."""
        rows: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 1000}
        while True:
            page = until_answered(lambda: self.http.get(f"/jobs/{job_id}/objects", params=query)).json()
            rows += page["objects"]
            if page["next_cursor"] is None:
                return rows
            query["cursor"] = page["next_cursor"]

    # --- objects ------------------------------------------------------------------------------------------------

    def put(self, key: str, body: bytes, **options: Any) -> None:
        self.s3.put_object(Bucket=self.west.source_bucket, Key=key, Body=body, **options)

    def fill(self, prefix: str, count: int, size: int = 1024) -> None:
        """Put `count` objects of `size` random bytes each."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda index: self.put(f"{prefix}{index:06d}", os.urandom(size)), range(count)))

    def read(self, bucket: str, key: str) -> bytes | None:
        try:
            body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            return body
        except self.s3.exceptions.NoSuchKey:
            return None

    def versions(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys of all versions under a prefix. A key that was written twice occurs twice."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        return [version["Key"] for page in pages for version in page.get("Versions", [])]

    def uploads(self, bucket: str) -> list[str]:
        return [upload["Key"] for upload in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]

    @contextmanager
    def source_versioning(self, status: str) -> Iterator[None]:
        """Set the versioning of the source bucket for a while."""
        bucket = self.west.source_bucket
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        try:
            yield
        finally:
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    # --- gateway ------------------------------------------------------------------------------------------------

    def faults(self, *rules: dict[str, Any]) -> None:
        """Replace the gateway's fault rules. A call without rules removes all."""
        self._control("PUT", "/_gateway/faults", json.dumps(list(rules)).encode())

    def requests(self) -> list[dict[str, Any]]:
        counted: list[dict[str, Any]] = json.loads(self._control("GET", "/_gateway/requests"))["requests"]
        return counted

    def forget_requests(self) -> None:
        self._control("DELETE", "/_gateway/requests")

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Stop the tables' replication for a while, in both directions."""
        stalled = [f"{WEST}->{EAST}", f"{EAST}->{WEST}"]
        self._control("PUT", "/_gateway/replication", json.dumps({"stalled": stalled}).encode())
        try:
            yield
        finally:
            self._control("PUT", "/_gateway/replication", json.dumps({"stalled": []}).encode())

    def _control(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.cloud.endpoint_url + path, data=body, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            content: bytes = answer.read()
            return content

    def invoke(self, function: str, event: dict[str, Any], region: str = WEST) -> None:
        """Invoke a function as its schedule or event source would, and wait for it."""
        client = self.cloud.client("lambda", region)
        names = [entry["FunctionName"] for entry in client.list_functions()["Functions"]]
        name = next(full_name for full_name in names if function in full_name.lower())
        client.invoke(FunctionName=name, Payload=json.dumps(event).encode())


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(f"e2e-{tmp_path_factory.getbasetemp().name}", policy=POLICY) as cloud:
        yield cloud


@pytest.fixture
def world(cloud: Cloud) -> Iterator[World]:
    world = World(cloud)
    yield world
    world.faults()
    world.http.close()


@pytest.fixture
def tmp_file(tmp_path: Path) -> Path:
    path = tmp_path / "a file.txt"
    path.write_bytes(b"what a partner drops\n" * 100)
    return path
