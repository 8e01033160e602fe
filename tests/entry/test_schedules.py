"""A tenant can make, change, remove and read its own schedules over HTTP. Their jobs are validated as submitted jobs
are."""

from typing import Any

import pytest

from chalicelib.core.errors import Retry
from chalicelib.core.objects import Bucket
from chalicelib.protocol.schedules import schedules_of
from chalicelib.steps import schedules as step
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from simulation.memory.state import ACCOUNT
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api, Reply

NINE_MS = 1_800_003_600_000
"""This is 2027-01-15T09:00:00Z; the world's time begins an hour before."""
JOB: dict[str, Any] = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}}
BODY: dict[str, Any] = {"cron": "0 9 * * *", "job": JOB}


def put(api: Api, name: str = "nightly", headers: dict[str, str] | None = None, **changes: object) -> Reply:
    return api.call("PUT", f"/schedules/{name}", {**BODY, **changes}, headers=headers)


def sweep(api: Api, at_ms: int = NINE_MS) -> None:
    api.env.clock.sleep_ms(max(0, at_ms - api.env.clock.now_ms()))
    step.run(api.env, at_ms + 60_000)


# --- life ---------------------------------------------------------------------------------------------------------


def test_a_schedules_life(api: Api) -> None:
    created = put(api, timezone="America/New_York", cron=" 0  2 * * * ")
    assert created.status == 201
    assert (created.json["cron"], created.json["timezone"], created.json["overlap"]) == (
        "0 2 * * *",
        "America/New_York",
        "skip",
    )
    assert created.json["upcoming"] == [f"2027-01-{day}T07:00:00.000Z" for day in range(16, 21)]
    shown = api.get("/schedules/nightly")
    assert (shown.status, shown.headers["etag"]) == (200, created.headers["etag"])
    assert shown.json == {**created.json, "runs": []}
    [entry] = api.get("/schedules").json["schedules"]
    assert (entry["id"], entry["next_at"]) == ("nightly", "2027-01-16T07:00:00.000Z")
    changed = put(api, enabled=False, headers={"If-Match": created.headers["etag"]})
    assert (changed.status, changed.json["enabled"], changed.json["upcoming"]) == (200, False, [])
    assert api.get("/schedules").json["schedules"][0]["next_at"] is None
    removed = api.call("DELETE", "/schedules/nightly", headers={"If-Match": changed.headers["etag"]})
    assert (removed.status, removed.body) == (204, b"")
    assert "GET /schedules" in api.get("/schedules/nightly").problem(404, "UnknownSchedule")
    api.call("DELETE", "/schedules/nightly").problem(404, "UnknownSchedule")
    assert api.get("/schedules").json == {"schedules": []}
    assert put(api).status == 201, "and made again"


def test_its_job_comes_and_says_why(api: Api) -> None:
    put(api)
    sweep(api)
    [run] = api.get("/schedules/nightly").json["runs"]
    assert (run["occurrence_at"], run["state"], run["detail"]) == ("2027-01-15T09:00:00.000Z", "RUN", "")
    job = api.get(f"/jobs/{run['job']}").json
    assert job["schedule"] == {"id": "nightly", "occurrence_at": "2027-01-15T09:00:00.000Z"}
    assert (job["source"], run["job_state"]) == ({"endpoint": "source-west", "prefix": ""}, "RUNNING")
    assert [entry["schedule"] for entry in api.get("/jobs").json["jobs"]] == [job["schedule"]]
    assert api.submit().json["schedule"] is None


def test_what_was_skipped_is_shown(api: Api) -> None:
    put(api, cron="0 * * * *")
    sweep(api)
    sweep(api, NINE_MS + 3_600_000)
    skipped, ran = api.get("/schedules/nightly").json["runs"]
    assert (skipped["state"], skipped["job"], skipped["detail"]) == ("SKIPPED", None, f"{ran['job']} had not ended")


def test_runs_that_cannot_be_read_now_are_null(api: Api) -> None:
    put(api)
    api.store.rule(Rule(Operation.LIST, times=None, error=lambda: Retry("Timeout")))
    reply = api.get("/schedules/nightly")
    assert (reply.status, reply.json["runs"]) == (200, None)


def test_the_job_is_shown_as_it_was_asked_for(api: Api) -> None:
    filtered = {"filter": {"include": ["*.csv"], "modified_since": "2027-01-01T00:00:00Z"}, "mode": "never"}
    named = {"keys": ["a", "b/c"], "labels": {"order": "4711"}}
    by_manifest = {"manifest": {"endpoint": "source-west", "key": "list.csv"}}
    shown = [put(api, job={**JOB, **changes}).json["job"] for changes in (filtered, named, by_manifest)]
    assert shown[0]["filter"]["include"] == ["*.csv"]
    assert shown[0]["filter"]["modified_since"] == "2027-01-01T00:00:00.000Z"
    assert (shown[0]["mode"], shown[1]["keys"], shown[1]["labels"]) == ("never", ["a", "b/c"], {"order": "4711"})
    assert shown[2]["manifest"] == {"endpoint": "source-west", "key": "list.csv", "format": "csv"}


def test_the_same_again_changes_nothing(api: Api) -> None:
    """A client sends the same request again when its answer was lost."""
    first, repeated = put(api), put(api)
    assert (first.status, repeated.status) == (201, 200)
    assert repeated.headers["etag"] == first.headers["etag"]


def test_conditions(api: Api) -> None:
    put(api, headers={"If-Match": "*"}).problem(412, "HasChanged")
    etag = put(api, headers={"If-None-Match": "*"}).headers["etag"]
    put(api, headers={"If-None-Match": "*"}).problem(412, "AlreadyThere")
    put(api, overlap="allow", headers={"If-Match": '"another"'}).problem(412, "HasChanged")
    assert put(api, overlap="allow", headers={"If-Match": etag}).status == 200
    api.call("DELETE", "/schedules/nightly", headers={"If-Match": etag}).problem(412, "HasChanged")
    put(api, headers={"If-Match": "bare"}).problem(400, "InvalidCondition")


def test_every_change_is_kept(api: Api) -> None:
    put(api)
    put(api, cron="0 10 * * *")
    api.call("DELETE", "/schedules/nightly")
    api.scope = "administer"
    changes = api.get("/audit").json["changes"]
    assert [(c["action"], c["kind"], c["id"]) for c in changes] == [
        (action, "schedule", "nightly") for action in ("removed", "changed", "created")
    ]
    assert (changes[1]["before"]["cron"], changes[1]["after"]["cron"]) == ("0 9 * * *", "0 10 * * *")


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "detail"),
    [
        ({"cron": "@daily"}, "InvalidCron", "send minute, hour, day of month, month and day of week"),
        ({"cron": "0 25 * * *"}, "InvalidCron", "Bad hour"),
        ({"cron": "0 0 30 2 *"}, "InvalidCron", "day"),
        ({"cron": "* * * * *"}, "TooOften", "use a feed"),
        ({"cron": "*/7 * * * *"}, "TooOften", "every 4 minutes"),
        ({"cron": "0 0 2 * * *"}, "InvalidCron", "6 fields"),
        ({"timezone": "Mars/Olympus"}, "UnknownTimezone", "America/New_York"),
        ({"timezone": "../../etc/passwd"}, "UnknownTimezone", "America/New_York"),
        ({"cron": ""}, "InvalidRequest", "body.cron"),
        ({"overlap": "queue"}, "InvalidRequest", "body.overlap"),
        ({"enabled": "perhaps"}, "InvalidRequest", "body.enabled"),
        ({"seconds": 5}, "InvalidRequest", "body.seconds"),
        ({"job": {"source": {"endpoint": "source-west"}}}, "InvalidRequest", "body.job.target"),
        ({"job": {**JOB, "schedule": "x"}}, "InvalidRequest", "body.job.schedule"),
        ({"job": {**JOB, "source": {"endpoint": "nowhere"}}}, "UnknownEndpoint", "GET /endpoints"),
        ({"job": {**JOB, "source": {"endpoint": "theirs"}}}, "UnknownEndpoint", "GET /endpoints"),
        ({"job": {**JOB, "source": {"endpoint": "target-west"}}}, "NotReadable", "another source"),
        ({"job": {**JOB, "target": {"endpoint": "source-east"}}}, "NotWritable", "another target"),
        ({"job": {**JOB, "source": {"endpoint": "target-east"}}}, "Overlap", "neither contains"),
        ({"job": {**JOB, "filter": {"include": ["["]}}}, "InvalidFilter", "closed"),
        ({"job": {**JOB, "keys": ["a"], "filter": {"min_size": 1}}}, "ConflictingInput", "send one"),
        ({"job": {**JOB, "keys": [f"{n}{'k' * 100}" for n in range(900)]}}, "ScheduleTooLarge", "manifest"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_said_in_words(api: Api, changes: dict[str, Any], code: str, detail: str) -> None:
    assert detail in put(api, **changes).problem(400, code)
    assert api.get("/schedules").json == {"schedules": []}


@pytest.mark.parametrize("name", ["-x", ".", "a b", "x" * 65, "é", "a%2Fb"])
def test_names(api: Api, name: str) -> None:
    reply = put(api, name.replace(" ", "%20").replace("é", "%C3%A9"))
    assert reply.status == 400
    reply.problem(400, "InvalidName")


def test_the_targets_region_stays(api: Api) -> None:
    put(api)
    moved = put(api, job={**JOB, "target": {"endpoint": "target-west"}})
    assert "make another schedule" in moved.problem(400, "TargetRegionChanged")


def test_reading_needs_read_and_the_rest_write(api: Api) -> None:
    api.scope = "read administer operate"
    put(api).problem(403, "MissingScope")
    api.call("DELETE", "/schedules/nightly").problem(403, "MissingScope")
    assert api.get("/schedules").status == 200
    api.scope = "write"
    api.get("/schedules").problem(403, "MissingScope")
    assert put(api).status == 201


def test_an_endpoint_that_a_schedule_names_stays(api: Api) -> None:
    store = api.store.store
    assert isinstance(store, MemoryObjectStore)
    store.make_bucket(Bucket("acme-drops", "us-gov-west-1", ACCOUNT), tags={"eft-tenants": "acme"})
    location = {"bucket": "acme-drops", "region": "us-gov-west-1", "owner_account": ACCOUNT, "access": "read"}
    api.scope = "read write administer"
    assert api.call("PUT", "/endpoints/drops", location).status == 201
    put(api, job={**JOB, "source": {"endpoint": "drops"}})
    put(api, "other", job={**JOB, "manifest": {"endpoint": "drops", "key": "list"}})
    assert "'nightly', 'other'" in api.call("DELETE", "/endpoints/drops").problem(409, "InUse")
    put(api)
    api.call("DELETE", "/schedules/other")
    assert api.call("DELETE", "/endpoints/drops").status == 204


# --- two tenants --------------------------------------------------------------------------------------------------


def test_two_tenants_may_have_one_of_the_same_name(api: Api) -> None:
    theirs = {"source": {"endpoint": "theirs"}, "target": {"endpoint": "theirs-too"}}
    mine = put(api)
    api.tenant = "other"
    api.get("/schedules/nightly").problem(404, "UnknownSchedule")
    api.call("DELETE", "/schedules/nightly", headers={"If-Match": mine.headers["etag"]}).problem(404, "UnknownSchedule")
    assert put(api, job=theirs, headers={"If-None-Match": "*"}).status == 201
    sweep(api)
    for tenant, source in (("other", "theirs"), ("acme", "source-west")):
        api.tenant = tenant
        [run] = api.get("/schedules/nightly").json["runs"]
        [job] = api.get("/jobs").json["jobs"]
        assert (job["id"], job["source"]["endpoint"]) == (run["job"], source)
    assert api.call("DELETE", "/schedules/nightly").status == 204
    api.tenant = "other"
    assert api.get("/schedules/nightly").status == 200


def test_no_key_of_a_client_gets_in_its_way(api: Api) -> None:
    """A client that guesses an occurrence's token can't submit another job under it first."""
    put(api)
    [schedule_entry] = schedules_of(api.env, "acme")
    submitted = api.submit(f"schedule:{schedule_entry.schedule.id}:{NINE_MS}")
    assert submitted.status == 201
    sweep(api)
    [run] = api.get("/schedules/nightly").json["runs"]
    assert run["job"] not in (None, submitted.json["id"])
