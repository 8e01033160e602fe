"""One job of 5,000 rows has rows that can't be delivered, for different reasons. The other rows succeed, and the job
names exactly the failed ones. Those can be repaired and submitted again."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from local.wait import wait_until
from tests.e2e.conftest import World
from tests.e2e.test_report import fetched

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]
COUNT, OF_EACH = 5000, 7
PREFIX = "poison/"
DENIED = {"kind": "error", "status": 403, "code": "AccessDenied", "message": "Access Denied"}
LOCKED = DENIED | {"message": "Access Denied because object protected by object lock."}
SLOW = {"kind": "error", "status": 503, "code": "SlowDown", "message": "Please reduce your request rate."}


def body(key: str) -> bytes:
    return f"what {key} holds\n".encode()


def each(pool: ThreadPoolExecutor, work: Any, keys: Iterable[str]) -> list[Any]:
    return list(pool.map(work, keys))


def rules(name: str, where: dict[str, str], field: str, prefix: str, keys: list[str], action: Any) -> list[Any]:
    """Return a fault rule for CopyObject of each key."""
    return [
        {
            "id": f"{name}-{key}",
            "match": {"operation": "CopyObject", **where, field: f"{prefix}{key}"},
            "action": action,
        }
        for key in keys
    ]


def test_poison_rows_fail_alone_and_their_manifest_succeeds_once_they_are_repaired(world: World) -> None:
    source, target = world.west.source_bucket, world.east.target_bucket
    keys = [f"{PREFIX}{index:05d}" for index in range(COUNT)]
    poisoned = Random(5000).sample(keys, 5 * OF_EACH)
    denied, archived, deleted, overwritten, locked = (poisoned[n * OF_EACH : (n + 1) * OF_EACH] for n in range(5))
    with ThreadPoolExecutor(8) as pool:
        each(pool, lambda key: world.put(key, body(key)), keys)
        each(pool, lambda key: world.put(key, body(key), StorageClass="GLACIER"), archived)
        to_stay = [
            *rules("denied", {}, "source_prefix", f"{source}/", denied, DENIED),
            *rules("locked", {"bucket": target}, "key_prefix", "", locked, LOCKED),
        ]
        # These rows are held back until they were planned and then changed.
        held = rules("held", {"bucket": target}, "key_prefix", "", deleted + overwritten, SLOW)
        world.faults(*to_stay, *held)
        job_id = world.submit(PREFIX, PREFIX)
        wait_until(lambda: world.job(job_id)["progress"]["planning_finished"], "all of it is planned", 120)
        each(pool, lambda key: world.s3.delete_object(Bucket=source, Key=key), deleted)
        each(pool, lambda key: world.put(key, b"newer"), overwritten)
        world.faults(*to_stay)

        view = world.settled(job_id, timeout_s=240)
        rows = world.rows(job_id)
        expected = dict.fromkeys(keys, "COPIED") | {
            **dict.fromkeys(denied + locked, "DENIED"),
            **dict.fromkeys(archived, "ARCHIVED"),
            **dict.fromkeys(deleted, "SOURCE_GONE"),
            **dict.fromkeys(overwritten, "SOURCE_CHANGED"),
        }
        assert {row["key"]: row["outcome"] for row in rows} == expected
        assert len(rows) == COUNT
        assert (view["state"], view["outcomes"]) == ("PARTIAL", Counter(expected.values()))
        assert all(row["detail"] for row in rows if row["key"] in poisoned)
        assert sorted(world.versions(target, PREFIX)) == sorted(set(keys) - set(poisoned))

        # The rows are repaired: the rights are restored, the lock is lifted, ...
        world.faults()
        each(pool, lambda key: restore(world, source, key), archived)
        each(pool, lambda key: world.put(key, body(key)), deleted)
        world.put("manifests/poison.csv", fetched(world, job_id, "failures"))
        named = {"endpoint": "west-source", "key": "manifests/poison.csv"}
        again = world.settled(world.submit(PREFIX, PREFIX, manifest=named), timeout_s=120)
        assert (again["state"], again["outcomes"]) == ("SUCCEEDED", {"COPIED": len(poisoned)}), again

        read = each(pool, lambda key: world.read(target, key), keys)
        assert read == [b"newer" if key in overwritten else body(key) for key in keys]
        assert sorted(world.versions(target, PREFIX)) == keys, "each is there once"


def restore(world: World, bucket: str, key: str) -> None:
    """Bring an archived object back for good: copy it onto itself once its bytes are restored."""
    world.s3.restore_object(Bucket=bucket, Key=key, RestoreRequest={"Days": 1})

    def readable() -> bool:
        return 'ongoing-request="false"' in world.s3.head_object(Bucket=bucket, Key=key).get("Restore", "")

    wait_until(readable, f"{key} is restored", 30)
    world.s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key}, StorageClass="STANDARD")
