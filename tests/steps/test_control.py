"""Jobs are accepted, and requests about them are answered, in either Region."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import BadRequest, KeyReused, Retry, Unknown
from chalicelib.core.jobs import JobState
from chalicelib.core.objects import Bucket
from chalicelib.core.rows import Outcome, OverwriteMode
from chalicelib.protocol.submitting import Location, Submission
from chalicelib.steps import control, endpoints, feeds
from simulation.memory.env import EAST, ENDPOINTS, TARGET, TENANT, WEST
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.world import World


def submission(token: str = "token", **changes: Any) -> Submission:
    return replace(Submission(TENANT, token, Location("source-west", "a/"), Location("target-east", "b/")), **changes)


# --- the same request again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("regions", [(WEST, WEST), (WEST, EAST), (EAST, WEST)])
@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
def test_the_same_request_is_the_same_job(regions: tuple[str, str], ended: bool) -> None:
    world = prefix_job.filled(World())
    first, is_new = control.submit(world.regions[regions[0]].env, submission())
    if ended:
        world.settle()
    world.clock.advance(5000)
    repeated, is_repeated_new = control.submit(world.regions[regions[1]].env, submission())
    assert (is_new, is_repeated_new) == (True, False)
    assert repeated == first
    assert repeated.home == regions[0]
    world.settle()
    world.tidy()
    prefix_job.check(world, first)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": Location("source-west", "other/")},
        {"target": Location("target-east", "other/")},
        {"mode": OverwriteMode.ALWAYS},
        {"labels": {"team": "blue"}},
    ],
)
@pytest.mark.parametrize("region", [WEST, EAST])
def test_another_request_under_the_same_key_is_refused(changes: dict[str, Any], region: str) -> None:
    world = prefix_job.filled(World())
    spec, _ = control.submit(world.west, submission())
    with pytest.raises(KeyReused, match=spec.job_id):
        control.submit(world.regions[region].env, submission(**changes))
    world.settle()
    assert len(world.ledger.jobs) == 1


def test_a_request_for_another_targets_region_under_the_same_key_is_a_job_of_its_own() -> None:
    """The target's Region decides about a key, so these two requests never meet. They must not share a job's name
    either."""
    world = prefix_job.filled(World())
    east, new = control.submit(world.west, submission())
    west, also_new = control.submit(world.west, submission(target=Location("target-west", "b/")))
    assert (new, also_new) == (True, True)
    assert east.job_id != west.job_id
    world.settle()
    for spec in (east, west):
        assert world.terminal(spec).state is JobState.SUCCEEDED
        assert control.get_job(world.west, TENANT, spec.job_id).spec == spec


def test_tenants_do_not_share_keys() -> None:
    other = Endpoint("theirs", "other", Bucket("source-west", WEST), "in/", readable=True, writable=False)
    target = Endpoint("their-target", "other", TARGET[EAST], "theirs/", readable=True, writable=True)
    world = World(endpoints={**ENDPOINTS, "theirs": other, "their-target": target})
    mine, _ = control.submit(world.west, submission())
    theirs, new = control.submit(
        world.west, submission(tenant="other", source=Location("theirs"), target=Location("their-target"))
    )
    assert new
    assert mine.job_id != theirs.job_id
    for tenant, job_id in ((TENANT, theirs.job_id), ("other", mine.job_id)):
        with pytest.raises(Unknown):
            control.get_job(world.west, tenant, job_id)
        with pytest.raises(Unknown):
            control.list_objects(world.west, tenant, job_id, None, None, 10)
        with pytest.raises(Unknown):
            control.cancel(world.west, tenant, job_id)


# --- requests that can't be carried out ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"source": Location("nowhere")}, "UnknownEndpoint"),
        ({"target": Location("nowhere")}, "UnknownEndpoint"),
        ({"tenant": "other"}, "UnknownEndpoint"),
        ({"target": Location("source-west")}, "NotWritable"),
        ({"source": Location("target-east", "x/"), "target": Location("target-east", "x/y/")}, "Overlap"),
        ({"source": Location("target-east", "x/y/"), "target": Location("target-east", "x/")}, "Overlap"),
        ({"source": Location("target-east", "x/"), "target": Location("target-east", "x/")}, "Overlap"),
        ({"source": Location("target-east", ""), "target": Location("target-east", "x/")}, "Overlap"),
    ],
)
def test_refused_requests(changes: dict[str, Any], code: str) -> None:
    world = World()
    with pytest.raises(BadRequest) as refused:
        control.submit(world.west, submission(**changes))
    assert refused.value.code == code
    assert world.ledger.jobs == {}
    assert world.open_jobs() == []


def test_a_location_that_may_not_be_read_from() -> None:
    blind = Endpoint("blind", TENANT, TARGET[WEST], "out/", readable=False, writable=True)
    world = World(endpoints={**ENDPOINTS, "blind": blind})
    with pytest.raises(BadRequest) as refused:
        control.submit(world.west, submission(source=Location("blind")))
    assert refused.value.code == "NotReadable"


def test_within_one_bucket_side_by_side() -> None:
    world = World()
    world.put("out/x/1", b"x", TARGET[EAST])
    spec, _ = control.submit(
        world.west, submission(source=Location("target-east", "x/"), target=Location("target-east", "y/"))
    )
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.body("out/y/1") == b"x"


# --- answers ------------------------------------------------------------------------------------------------------


def test_the_view_of_a_job_from_its_acceptance_to_its_end() -> None:
    world = prefix_job.filled(World())
    spec, _ = control.submit(world.west, submission(labels={"team": "blue"}))
    for env in (world.west, world.east):
        view = control.get_job(env, TENANT, spec.job_id)
        assert (view.spec, view.progress.state, view.reason) == (spec, JobState.PLANNING, "")
        assert view.spec.labels == {"team": "blue"}
    world.settle()
    for env in (world.west, world.east):
        view = control.get_job(env, TENANT, spec.job_id)
        assert (view.progress.state, view.settled_ms) == (JobState.SUCCEEDED, world.terminal(spec).settled_ms)
        assert view.chain_sha256 == world.terminal(spec).chain_sha256


def test_a_job_that_the_table_does_not_know_yet_is_found_in_the_control_buckets() -> None:
    world = prefix_job.filled(World())
    spec, _ = control.submit(world.west, submission())
    world.ledger.jobs.clear()
    assert control.get_job(world.east, TENANT, spec.job_id).spec == spec


@pytest.mark.parametrize("job_id", ["", "job-", "nonsense", "job-" + "a" * 26, "../x"])
def test_unknown_jobs(job_id: str) -> None:
    world = World()
    with pytest.raises(Unknown):
        control.get_job(world.west, TENANT, job_id)
    with pytest.raises(Unknown):
        control.list_objects(world.west, TENANT, job_id, None, None, 10)


def test_listing_goes_from_the_newest_to_the_oldest_page_by_page() -> None:
    world = World()
    submitted = []
    for number in range(7):
        submitted.append(control.submit(world.west, submission(f"token {number}"))[0])
        world.clock.advance(1000 if number % 2 else 0)
    listed, cursor = [], None
    while True:
        page = control.list_jobs(world.east, TENANT, cursor, 3)
        listed += [spec for spec, _ in page.jobs]
        cursor = page.cursor
        if cursor is None:
            break
    assert {spec.job_id for spec in listed} == {spec.job_id for spec in submitted}
    assert [spec.created_ms for spec in listed] == sorted((spec.created_ms for spec in submitted), reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("outcome", [None, Outcome.COPIED, Outcome.UNCHANGED, Outcome.FAILED])
def test_the_objects_of_a_job_page_by_page(outcome: Outcome | None, limit: int) -> None:
    world = prefix_job.filled(World())
    spec, _ = control.submit(world.west, submission())
    world.settle()
    expected = [key for key, row_outcome in world.outcomes(spec).items() if outcome in (None, row_outcome)]
    keys: list[str] = []
    cursor = None
    while True:
        page = control.list_objects(world.west, TENANT, spec.job_id, outcome, cursor, limit)
        assert len(page.objects) <= limit
        keys += [view.key for view in page.objects]
        cursor = page.cursor
        if cursor is None:
            break
    assert keys == sorted(expected)


def test_the_objects_of_a_job_that_is_not_done_have_no_outcome_yet() -> None:
    world = prefix_job.filled(World())
    spec, _ = control.submit(world.west, submission())
    world.handle(take(world, "split"))
    page = control.list_objects(world.west, TENANT, spec.job_id, None, None, 100)
    outcomes = {view.key.removeprefix("in/a/"): view.outcome for view in page.objects}
    assert len(outcomes) == 6
    assert [name for name, outcome in outcomes.items() if outcome] == ["3-same"], "decided when it was planned"
    assert control.list_objects(world.west, TENANT, spec.job_id, Outcome.COPIED, None, 100).objects == ()


def take(world: World, queue: str):
    world.collect()
    mail = next(mail for mail in world.mail if mail.queue == queue)
    world.mail.remove(mail)
    return mail


@pytest.mark.parametrize("cursor", ["", "x", "r-000001", "r-000001.", "r-000001.x", "r-1.0", "../.0", "r-000001.-1"])
def test_cursors_that_nobody_gave_out(cursor: str) -> None:
    world = prefix_job.filled(World())
    spec, _ = control.submit(world.west, submission())
    world.settle()
    with pytest.raises(BadRequest):
        control.list_objects(world.west, TENANT, spec.job_id, None, cursor, 10)


def test_endpoints_and_feeds_of_a_tenant() -> None:
    world = World()
    assert [view.endpoint.id for view in endpoints.list_endpoints(world.west, TENANT)] == sorted(ENDPOINTS)
    assert endpoints.list_endpoints(world.west, "other") == []
    assert [view.feed.id for view in feeds.list_feeds(world.west, TENANT)] == ["west-to-east"]
    assert feeds.list_feeds(world.west, "other") == []


def test_health_asks_its_own_region_only() -> None:
    world = World()
    buckets: list[str] = []

    def other_region_is_dead(_operation: Operation, bucket: str, _key: str) -> None:
        buckets.append(bucket)
        if bucket.endswith("-east"):
            raise Retry("Unreachable")

    world.store.before_call = other_region_is_dead
    control.health(world.west)
    assert buckets == ["control-west"]
    with pytest.raises(Retry):
        control.health(world.east)
