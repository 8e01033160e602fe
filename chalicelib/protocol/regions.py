"""Tell whether the other Region is alive, by region heartbeats in S3. Every sweep writes its Region's heartbeat into
both control buckets, so it shows life even while the table's replication stands still. An observer compares the
heartbeats' fingerprint with the earlier one, by its own clock. Nothing about safety depends on them."""

from dataclasses import dataclass

from chalicelib.core.errors import EftError, Retry
from chalicelib.core.leases import Observation, RegionFingerprint, RegionHeartbeat, note_of
from chalicelib.core.objects import ObjectFacts
from chalicelib.ports import Env
from chalicelib.protocol.table import get_best_effort, put_best_effort

UNKNOWN = "?"
NONE = "-"
REGIONS = "regions"
"""The "job" under which a Region notes its observations of Regions."""


def peers(env: Env) -> list[str]:
    """Return the other Regions."""
    return sorted(env.control_buckets.keys() - {env.region})


def beat(env: Env) -> None:
    """Write this Region's heartbeat into every control bucket that can be reached, its own first. The table's copy is
    written last; it is for people, and nothing else depends on it."""
    now_ms = env.clock.now_ms()
    for region in (env.region, *peers(env)):
        try:
            # The nonce makes its ETag change, whatever the clock says.
            env.store.overwrite(env.control_buckets[region], _key(env.region), f"{now_ms} {env.ids.nonce()}".encode())
        except EftError as error:
            # A problem of that bucket must not stop the work that can be done here.
            env.log("region-heartbeat-not-written", region=region, error=str(error))
    heartbeats = get_best_effort(env, env.ledger.region_heartbeats)
    if heartbeats is not None:
        before = max((heartbeat.counter for heartbeat in heartbeats if heartbeat.region == env.region), default=0)
        put_best_effort(env, env.ledger.put_region_heartbeat, RegionHeartbeat(env.region, before + 1, now_ms))


def region_fingerprint(env: Env, region: str) -> RegionFingerprint:
    """Return the fingerprint of a Region's heartbeats in every control bucket: any change is a sign of life.

    A heartbeat that can't be read now says nothing, so its part of the fingerprint is the last one that was noted.
    Storage that answers only now and then must not be taken for a living Region (protocol model: UNKNOWN_IS_MOVEMENT).
    Raises Retry if the table doesn't return the earlier fingerprint.
    """
    etags = {bucket_region: _etag_at(env, region, bucket_region) for bucket_region in (env.region, *peers(env))}
    if UNKNOWN in etags.values():
        before = note_of(env.ledger.get_observation(REGIONS, _subject(region), env.region), RegionFingerprint)
        known = before.etags if before else {}
        etags = {
            bucket_region: known.get(bucket_region, etag) if etag == UNKNOWN else etag
            for bucket_region, etag in etags.items()
        }
    return RegionFingerprint(etags)


def _etag_at(env: Env, region: str, bucket_region: str) -> str:
    try:
        facts = _heartbeat_at(env, region, bucket_region)
    except EftError:
        return UNKNOWN
    return facts.etag[:12] if facts else NONE


def heartbeat_age_ms(env: Env, region: str) -> int | None:
    """Return how long ago a Region's heartbeat was last written, in ms, by the clocks of the S3 that stores it: neither
    the table nor a clock of ours is asked. A control bucket that can't be read says nothing. Return None if no bucket
    says anything, or there never was a heartbeat."""
    ages: list[int] = []
    for bucket_region in (env.region, *peers(env)):
        try:
            head = env.store.head(env.control_buckets[bucket_region], _key(region))
        except EftError as error:
            env.log("region-heartbeat-not-read", region=region, where=bucket_region, error=str(error))
            continue
        if head is not None:
            ages.append(head.age_ms)
            if head.age_ms < env.policy.takeover_after_ms:
                break  # It is a sign of life, whatever the other bucket says.
    return min(ages, default=None)


def last_seen_by_store_ms(env: Env, region: str) -> int:
    """Return when a Region's heartbeat was last written, in ms since the epoch, by the clock of the S3 that stores it;
    0 if it never was."""
    times = []
    for bucket_region in sorted(env.control_buckets):
        try:
            facts = _heartbeat_at(env, region, bucket_region)
            times.append(facts.last_modified_ms if facts else 0)
        except EftError:
            continue
    return max(times, default=0)


@dataclass(frozen=True, slots=True)
class RegionView:
    """A Region as this one sees it."""

    region: str
    heartbeat: RegionHeartbeat | None
    still_ms: int
    """How long its heartbeats' fingerprint has not changed, in ms."""
    alive: bool
    storage_reachable: bool


def watch_region(env: Env, region: str, fingerprint: RegionFingerprint) -> int:
    """Note the fingerprint of a Region's heartbeats (`region_fingerprint`). Return how long it has not changed, in ms;
    0 if the table doesn't say."""
    now_ms = env.clock.now_ms()
    try:
        before = env.ledger.get_observation(REGIONS, _subject(region), env.region)
    except Retry as error:
        env.log("table-not-read", region=region, error=str(error))
        return 0
    if before is not None and before.note(RegionFingerprint) == fingerprint:
        return now_ms - before.since_ms
    put_best_effort(
        env, env.ledger.put_observation, Observation.of(REGIONS, _subject(region), env.region, fingerprint, now_ms)
    )
    return 0


@dataclass(frozen=True, slots=True)
class _Storage:
    """Whether a Region's control bucket answers."""

    reachable: bool


def note_storage(env: Env, region: str, *, reachable: bool) -> None:
    """Note whether a Region's control bucket, and so its S3, answers. It is written only when it changes."""
    storage = _Storage(reachable)
    if (
        note_of(get_best_effort(env, env.ledger.get_observation, REGIONS, f"storage:{region}", env.region), _Storage)
        != storage
    ):
        observation = Observation.of(REGIONS, f"storage:{region}", env.region, storage, env.clock.now_ms())
        put_best_effort(env, env.ledger.put_observation, observation)


def storage_reachable(env: Env, region: str) -> bool:
    storage = note_of(env.ledger.get_observation(REGIONS, f"storage:{region}", env.region), _Storage)
    return storage is None or storage.reachable


def view_regions(env: Env) -> list[RegionView]:
    heartbeats = {heartbeat.region: heartbeat for heartbeat in env.ledger.region_heartbeats()}
    views = []
    for region in sorted(env.control_buckets):
        observation = env.ledger.get_observation(REGIONS, _subject(region), env.region)
        still_ms = env.clock.now_ms() - observation.since_ms if observation else 0
        alive = region == env.region or still_ms < env.policy.takeover_after_ms
        views.append(RegionView(region, heartbeats.get(region), still_ms, alive, storage_reachable(env, region)))
    return views


def _key(region: str) -> str:
    return f"heartbeat/{region}"


def _subject(region: str) -> str:
    return f"heartbeat:{region}"


def _heartbeat_at(env: Env, region: str, bucket_region: str) -> ObjectFacts | None:
    head = env.store.head(env.control_buckets[bucket_region], _key(region))
    return head.facts if head else None
