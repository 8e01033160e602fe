"""POST /jobs/{id}/retry."""

from chalicelib.core.jobs import JobState, Terminal
from chalicelib.core.rows import Outcome
from chalicelib.ports import PlanRange
from chalicelib.protocol.records import ControlRecords
from simulation.memory.env import EAST, WEST
from tests.entry.api import Api


def settle(api: Api, job_id: str, counts: dict[Outcome, int]) -> None:
    spec = ControlRecords(api.env, EAST).job(job_id).spec()
    assert spec is not None
    end = Terminal(job_id, JobState.PARTIAL, "", 3, counts, 30, 30, {}, 1, "c0ffee", WEST, 1, 1_800_000_060_000, "n")
    api.ledger.put_terminal(spec, end, WEST)


def failed_job(api: Api) -> str:
    job_id: str = api.submit(
        source={"endpoint": "source-west", "prefix": "2026/"}, labels={"a": "b"}, mode="never"
    ).json["id"]
    settle(api, job_id, {Outcome.COPIED: 1, Outcome.DENIED: 2})
    api.queue.tasks.clear()
    return job_id


def retry(api: Api, job_id: str, key: str | None = None):
    return api.call("POST", f"/jobs/{job_id}/retry", headers={"Idempotency-Key": key} if key else None)


def test_a_new_job(api: Api) -> None:
    old_id = failed_job(api)
    reply = retry(api, old_id)
    job = reply.json
    assert reply.status == 201
    assert reply.headers["location"] == f"/jobs/{job['id']}"
    old_job = api.get(f"/jobs/{old_id}").json
    assert (job["retry_of"], old_job["retry_of"]) == (old_id, None)
    for name in ("source", "target", "mode", "labels", "priority"):
        assert job[name] == old_job[name]
    assert api.queue.tasks == [PlanRange(job["id"], EAST, "r", tenant="acme")]
    retries = {entry["id"]: entry["retry_of"] for entry in api.get("/jobs").json["jobs"]}
    assert retries == {job["id"]: old_id, old_id: None}


def test_the_same_key(api: Api) -> None:
    old_id = failed_job(api)
    first, repeated = retry(api, old_id, "k"), retry(api, old_id, "k")
    assert (first.status, repeated.status, repeated.json) == (201, 200, first.json)
    assert first.headers["location"] == repeated.headers["location"]
    api.submit("k").problem(422, "IdempotencyKeyReused")
    assert retry(api, old_id).json["id"] != retry(api, old_id).json["id"]


def test_there_is_nothing_to_do(api: Api) -> None:
    job_id = api.submit().json["id"]
    settle(api, job_id, {Outcome.COPIED: 2, Outcome.UNCHANGED: 1})
    reply = retry(api, job_id)
    assert (reply.status, reply.json["id"]) == (200, job_id)
    assert reply.headers["location"] == f"/jobs/{job_id}"


def test_not_settled(api: Api) -> None:
    job_id = api.submit().json["id"]
    assert "not settled yet" in retry(api, job_id).problem(409, "JobNotSettled")


def test_not_allowed_or_not_there(api: Api) -> None:
    job_id = failed_job(api)
    retry(api, "job-" + "a" * 26).problem(404, "UnknownJob")
    retry(api, job_id, "umläut").problem(400, "InvalidIdempotencyKey")
    api.scope = "read"
    retry(api, job_id).problem(403, "MissingScope")
    api.tenant, api.scope = "other", "write"
    retry(api, job_id).problem(404, "UnknownJob")
