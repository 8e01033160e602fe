"""POST /jobs with `delete` needs the literal consent and a cap. It goes with a prefix, and with a filter of include and
exclude alone."""

from typing import Any

import pytest

from chalicelib.core.deletions import Versioning
from simulation.memory.env import EAST, TARGET
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api

DELETE = {"consent": "DELETE-AT-TARGET", "max_objects": 500}


def test_it_is_shown(api: Api) -> None:
    job = api.submit(delete=DELETE).json
    assert job["delete"] == DELETE
    assert api.get(f"/jobs/{job['id']}").json == job
    assert api.get("/jobs").json["jobs"][0]["delete"] == DELETE


@pytest.mark.parametrize("versioning", [Versioning.SUSPENDED, Versioning.NEVER])
def test_for_ever_has_a_consent_of_its_own(api: Api, versioning: Versioning) -> None:
    store = api.store.store
    assert isinstance(store, MemoryObjectStore)
    store.make_bucket(TARGET[EAST], versioned=versioning is not Versioning.NEVER)
    if versioning is Versioning.SUSPENDED:
        store.set_versioning(TARGET[EAST], versioning)
    detail = api.submit(delete=DELETE).problem(400, "DeletesForEver")
    assert "gone for ever; turn its versioning on, or send the consent DELETE-AT-TARGET-FOR-EVER" in detail
    assert api.queue.tasks == []
    for_ever = DELETE | {"consent": "DELETE-AT-TARGET-FOR-EVER"}
    reply = api.submit(delete=for_ever)
    assert (reply.status, reply.json["delete"]) == (201, for_ever)


def test_without_it_nothing_is_deleted(api: Api) -> None:
    assert api.submit().json["delete"] is None
    assert api.submit(delete=None).json["delete"] is None


@pytest.mark.parametrize("max_objects", [1, 1_000_000, 4.0])
def test_caps(api: Api, max_objects: float) -> None:
    reply = api.submit(delete=DELETE | {"max_objects": max_objects})
    assert (reply.status, reply.json["delete"]) == (201, DELETE | {"max_objects": int(max_objects)})


@pytest.mark.parametrize(
    "wish",
    [
        True,
        "DELETE-AT-TARGET",
        [],
        {},
        {"consent": "DELETE-AT-TARGET"},
        {"max_objects": 5},
        DELETE | {"consent": "delete-at-target"},
        DELETE | {"consent": "yes"},
        DELETE | {"consent": True},
        DELETE | {"max_objects": 0},
        DELETE | {"max_objects": -1},
        DELETE | {"max_objects": 1_000_001},
        DELETE | {"max_objects": 1.5},
        DELETE | {"max_objects": "500"},
        DELETE | {"max_objects": True},
        DELETE | {"max_objects": None},
        DELETE | {"force": True},
    ],
    ids=str,
)
def test_what_is_no_consent(api: Api, wish: object) -> None:
    assert "body.delete" in api.submit(delete=wish).problem(400, "InvalidRequest")
    assert api.queue.tasks == []


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": ["a"]},
        {"manifest": {"endpoint": "source-west", "key": "list"}},
        {"filter": {"min_size": 1}},
        {"filter": {"max_size": 1}},
        {"filter": {"include": ["*"], "modified_since": "2027-01-01T00:00:00Z"}},
        {"filter": {"modified_before": "2027-01-01T00:00:00Z"}},
        {"filter": {"storage_classes": ["STANDARD"]}},
    ],
    ids=str,
)
def test_what_it_does_not_go_with(api: Api, changes: dict[str, Any]) -> None:
    detail = api.submit(delete=DELETE, **changes).problem(400, "ConflictingInput")
    assert detail.startswith("delete goes with a prefix, and with a filter of include and exclude alone")
    assert api.queue.tasks == []


def test_a_strict_cancel_promises_what_a_delete_can_not_keep(api: Api) -> None:
    assert "strict cancel" in api.submit(delete=DELETE, cancel="strict").problem(400, "ConflictingInput")
    assert api.submit(delete=DELETE, cancel="fast").status == 201


def test_globs_go_with_it(api: Api) -> None:
    assert api.submit(delete=DELETE, filter={"include": ["**/*.csv"], "exclude": ["tmp/**"]}).status == 201


def test_the_same_key_with_another_cap_is_another_request(api: Api) -> None:
    first, repeated = api.submit("k-1", delete=DELETE), api.submit("k-1", delete=DELETE)
    assert (repeated.status, repeated.json) == (200, first.json)
    for consent in (None, DELETE | {"max_objects": 501}):
        api.submit("k-1", delete=consent).problem(422, "IdempotencyKeyReused")


def test_a_plan_does_not_foresee_deletions(api: Api) -> None:
    body = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}, "delete": DELETE}
    assert "not in a plan" in api.call("POST", "/plans", body).problem(400, "ConflictingInput")
