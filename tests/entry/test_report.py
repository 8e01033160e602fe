"""GET /jobs/{id}/report answers with a link to a file once the report is made."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.core.errors import Denied
from chalicelib.core.policy import Policy
from chalicelib.core.report import COLUMNS, ReportFormat
from chalicelib.entry import handlers
from chalicelib.ports import MakeReport, queue_of
from chalicelib.protocol import messages
from simulation.memory.env import EAST, SOURCE, WEST
from simulation.memory.faults import Rule
from simulation.memory.links import Fetched, follow
from simulation.memory.operations import Operation
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api, Reply

FAR_MS = 2_000_000_000_000
FORMATS = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
ODD = ["=1+1", "a,b;c", 'say "x"', "new\nline", "données", "\U0001f600", "a b+c%20"]


def memory(api: Api) -> MemoryObjectStore:
    assert isinstance(api.store.store, MemoryObjectStore)
    return api.store.store


def work(api: Api) -> None:
    """Carry out every message that waits."""
    while (task := api.queue.take()) is not None:
        event = {"Records": [{"messageId": "m", "body": messages.dumps(task)}]}
        response = getattr(handlers, queue_of(task))(api.env, event, FAR_MS)
        assert response == {"batchItemFailures": []}


@pytest.fixture
def settled(api: Api) -> Iterator[str]:
    """Yield a settled job of odd keys. One object could not be read."""
    for name in ODD:
        memory(api).put(SOURCE[WEST], f"in/{name}", name.encode())
    api.store.rule(Rule(Operation.COPY, key="out/new\nline", times=None, error=lambda: Denied("AccessDenied", "no")))
    api.env = replace(api.env, policy=Policy(partition_rows=3))
    with api.over(api.env):
        job_id = api.submit().json["id"]
        work(api)
        yield job_id


def made(api: Api, job_id: str, query: str = "") -> Reply:
    assert api.get(f"/jobs/{job_id}/report{query}").status == 202
    work(api)
    reply = api.get(f"/jobs/{job_id}/report{query}")
    assert reply.status == 200, reply.body
    return reply


def download(api: Api, reply: Reply) -> Fetched:
    """Fetch the report with nothing but the link, as curl does, and compare it with the API's description of it."""
    fetched = follow(memory(api), reply.json["url"])
    assert fetched.status == 200
    assert len(fetched.body) == reply.json["bytes"]
    assert hashlib.sha256(fetched.body).hexdigest() == reply.json["sha256"]
    return fetched


def test_it_is_made_and_then_there(api: Api, settled: str) -> None:
    reply = api.get(f"/jobs/{settled}/report")
    assert (reply.status, reply.headers["retry-after"]) == (202, "5")
    assert reply.json == {"format": "csv", "retry_after_seconds": 5}
    assert api.queue.tasks == [MakeReport(settled, EAST, ReportFormat.CSV, tenant="acme")]
    work(api)
    reply = api.get(f"/jobs/{settled}/report")
    assert (reply.status, reply.json["format"], reply.json["rows"]) == (200, "csv", len(ODD))
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json["receipt_chain_sha256"] == api.get(f"/jobs/{settled}").json["receipt_chain_sha256"]
    assert reply.json["expires_at"] > "2027-01-15T08:15"


@pytest.mark.parametrize("report_format", FORMATS)
def test_what_is_fetched_says_what_the_api_says(api: Api, settled: str, report_format: str) -> None:
    fetched = download(api, made(api, settled, f"?format={report_format}"))
    assert fetched.headers["content-type"] == FORMATS[report_format]
    assert fetched.headers["content-disposition"] == f'attachment; filename="{settled}.{report_format}"'
    objects = api.get(f"/jobs/{settled}/objects?limit=1000").json["objects"]
    if report_format == "ndjson":
        lines = [json.loads(line) for line in fetched.body.decode().split("\n")[:-1]]
        assert [{name: line[name] for name in shown} for line, shown in zip(lines, objects, strict=True)] == objects
    else:
        rows = list(csv.DictReader(io.StringIO(fetched.body.decode(), newline="")))
        assert tuple(rows[0]) == COLUMNS
        assert [(row["key"], row["outcome"]) for row in rows] == [(shown["key"], shown["outcome"]) for shown in objects]


def test_what_failed_is_a_manifest(api: Api, settled: str) -> None:
    reply = made(api, settled, "?format=failures")
    assert reply.json["rows"] == 1
    assert download(api, reply).body == b"source-west,in/new%0Aline\n"


def test_receipts_are_json_lines(api: Api, settled: str) -> None:
    reply = made(api, settled, "?format=receipts")
    kinds = [json.loads(line)["record"] for line in download(api, reply).body.splitlines()]
    assert kinds == ["manifest", "receipt"] * 3
    assert reply.json["rows"] == 6


def test_every_format_is_made_for_itself(api: Api, settled: str) -> None:
    links = {
        made(api, settled, f"?format={report_format}").json["url"]
        for report_format in (*FORMATS, "failures", "receipts")
    }
    assert len(links) == 4


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_job_that_is_not_settled(api: Api) -> None:
    job_id = api.submit().json["id"]
    detail = api.get(f"/jobs/{job_id}/report").problem(409, "JobNotSettled")
    assert "ask again when GET /jobs/{id} shows one of the final states" in detail
    assert [task for task in api.queue.tasks if isinstance(task, MakeReport)] == []


@pytest.mark.parametrize("query", ["format=xml", "format=", "format=CSV", "format=csv&format=csv", "limit=5"])
def test_a_query_that_is_none(api: Api, settled: str, query: str) -> None:
    assert "query." in api.get(f"/jobs/{settled}/report?{query}").problem(400, "InvalidRequest")


@pytest.mark.parametrize("job_id", ["job-aaaaaaaaaaaaaaaaaaaaaaaaaa", "x", "%00"])
def test_a_job_that_does_not_exist(api: Api, job_id: str) -> None:
    api.get(f"/jobs/{job_id}/report").problem(404, "UnknownJob")


def test_another_tenants_job_does_not_exist(api: Api, settled: str) -> None:
    api.tenant = "other"
    api.get(f"/jobs/{settled}/report").problem(404, "UnknownJob")
    assert api.queue.tasks == []


def test_storage_that_does_not_answer(api: Api, settled: str) -> None:
    api.store.rule(Rule(region=EAST, times=None))
    api.get(f"/jobs/{settled}/report").problem(503, "TryAgain")


def test_a_message_with_a_format_that_is_none_is_kept_for_people(api: Api, settled: str) -> None:
    body = messages.dumps(MakeReport(settled, EAST, ReportFormat.CSV)).replace("csv", "xml")
    response = handlers.split(api.env, {"Records": [{"messageId": "m", "body": body}]}, FAR_MS)
    assert response == {"batchItemFailures": [{"itemIdentifier": "m"}]}
