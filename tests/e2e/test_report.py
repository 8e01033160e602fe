"""The report of a job is requested, fetched with nothing but its link, and verified, over real HTTP."""

import csv
import hashlib
import io
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from local.wait import wait_until
from tests.e2e.conftest import World
from tools.verify_report import main

pytestmark = pytest.mark.cloud


def fetched(world: World, job_id: str, report_format: str) -> bytes:
    """Fetch a report as a client does."""
    answers: list[Any] = []

    def there() -> bool:
        answers.append(world.http.get(f"/jobs/{job_id}/report", params={"format": report_format}))
        assert answers[-1].status_code in (200, 202), answers[-1].text
        return bool(answers[-1].status_code == 200)

    wait_until(there, f"the {report_format} report is there", 90)
    assert answers[0].status_code == 202
    description = answers[-1].json()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(description["url"], timeout=30) as answer:
        body: bytes = answer.read()
        assert f"{job_id}" in answer.headers["Content-Disposition"]
    assert (len(body), hashlib.sha256(body).hexdigest()) == (description["bytes"], description["sha256"])
    return body


def test_a_report_is_fetched_and_verified(world: World, tmp_path: Path) -> None:
    """The keys are long, so that the receipts are more than one piece."""
    count = 2500
    world.fill(f"report/{'long/' * 180}", count, size=1)
    job_id = world.submit("report/", "report/")
    view = world.settled(job_id, timeout_s=120)
    assert view["outcomes"] == {"COPIED": count}

    report, receipts = tmp_path / "report.csv", tmp_path / "receipts.ndjson"
    report.write_bytes(fetched(world, job_id, "csv"))
    receipts.write_bytes(fetched(world, job_id, "receipts"))
    assert fetched(world, job_id, "failures") == b""
    pages = world.s3.get_paginator("list_objects_v2").paginate(
        Bucket=world.east.control_bucket, Prefix=f"report/{job_id}/receipts-1/piece/"
    )
    assert sum(page["KeyCount"] for page in pages) == 2

    rows = list(csv.DictReader(io.StringIO(report.read_bytes().decode(), newline="")))
    rows_of_api = [{"key": row["key"], "outcome": row["outcome"], "etag": row["target_etag"]} for row in rows]
    expected = world.rows(job_id)
    assert rows_of_api == [{"key": r["key"], "outcome": r["outcome"], "etag": r["target_etag"]} for r in expected]
    chain = view["receipt_chain_sha256"]
    assert main([str(receipts), "--chain", chain, "--report", str(report)]) == 0
    report.write_bytes(report.read_bytes().replace(b"COPIED", b"FAILED", 1))
    assert main([str(receipts), "--chain", chain, "--report", str(report)]) == 1
