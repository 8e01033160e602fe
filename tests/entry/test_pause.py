"""POST /jobs/{id}/pause and /resume."""

import pytest

from chalicelib.core.jobs import JobState, Terminal
from chalicelib.core.rows import Outcome
from chalicelib.ports import PlanRange
from chalicelib.protocol.records import ControlRecords
from simulation.memory.env import EAST, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.entry.api import Api

ASKS = ["pause", "resume"]


def test_paused_and_resumed(api: Api) -> None:
    job = api.submit().json
    api.queue.tasks.clear()
    paused = api.call("POST", f"/jobs/{job['id']}/pause")
    assert paused.status == 202
    why = "paused by request: it goes on when it is resumed"
    assert paused.json == {**job, "state": "PAUSED", "reason": why}
    assert paused.json["progress"]["eta_seconds"] is None
    assert api.get(f"/jobs/{job['id']}").json == paused.json
    assert api.queue.tasks == []
    resumed = api.call("POST", f"/jobs/{job['id']}/resume")
    assert resumed.status == 202
    assert resumed.json == job
    assert api.get(f"/jobs/{job['id']}").json == job
    assert api.queue.tasks == [PlanRange(job["id"], EAST, "r", tenant="acme")]


def test_repeating_changes_nothing(api: Api) -> None:
    job_id = api.submit().json["id"]
    records = ControlRecords(api.env, EAST).job(job_id)
    for ask, highest in (("resume", 0), ("pause", 1), ("resume", 2), ("pause", 3)):
        replies = [api.call("POST", f"/jobs/{job_id}/{ask}") for _ in range(3)]
        assert {reply.status for reply in replies} == {202}
        assert replies[0].json == replies[1].json == replies[2].json
        assert records.desired_state().highest == highest


@pytest.mark.parametrize("ask", ASKS)
def test_a_settled_job_is_answered_as_it_is(api: Api, ask: str) -> None:
    job_id = api.submit().json["id"]
    spec = ControlRecords(api.env, EAST).job(job_id).spec()
    assert spec is not None
    end = Terminal(job_id, JobState.SUCCEEDED, "", 3, {Outcome.COPIED: 3}, 30, 30, {}, 1, "c0ffee", WEST, 1, 2, "n")
    api.ledger.put_terminal(spec, end, WEST)
    reply = api.call("POST", f"/jobs/{job_id}/{ask}")
    assert (reply.status, reply.json["state"]) == (202, "SUCCEEDED")
    assert reply.json == api.get(f"/jobs/{job_id}").json


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("scope", ["read", "", "operate", "writer"])
def test_it_needs_the_scope_write(api: Api, ask: str, scope: str) -> None:
    job_id = api.submit().json["id"]
    api.scope = scope
    detail = api.call("POST", f"/jobs/{job_id}/{ask}").problem(403, "MissingScope")
    assert detail == "this needs a token with the scope 'write'"


@pytest.mark.parametrize("ask", ASKS)
def test_without_a_token(api: Api, ask: str) -> None:
    assert api.plain("POST", f"/jobs/{api.submit().json['id']}/{ask}").status == 401


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("job_id", ["job-aaaaaaaaaaaaaaaaaaaaaaaaaa", "x", "..", "%00", "job-"])
def test_a_job_that_does_not_exist(api: Api, ask: str, job_id: str) -> None:
    assert api.call("POST", f"/jobs/{job_id}/{ask}").problem(404, "UnknownJob").endswith(": GET /jobs lists yours")


@pytest.mark.parametrize("ask", ASKS)
def test_another_tenants_job_does_not_exist(api: Api, ask: str) -> None:
    job_id = api.submit().json["id"]
    api.tenant = "other"
    api.call("POST", f"/jobs/{job_id}/{ask}").problem(404, "UnknownJob")
    assert ControlRecords(api.env, EAST).job(job_id).desired_state().highest == 0


def test_the_control_bucket_does_not_answer(api: Api) -> None:
    """The API promises no pause that is not recorded."""
    job_id = api.submit().json["id"]
    dead = api.store.rule(Rule(Operation.PUT, times=None))
    assert "try again" in api.call("POST", f"/jobs/{job_id}/pause").problem(503, "TryAgain")
    assert api.get(f"/jobs/{job_id}").json["state"] == "PLANNING"
    api.store.rules.remove(dead)
    assert api.call("POST", f"/jobs/{job_id}/pause").json["state"] == "PAUSED"
