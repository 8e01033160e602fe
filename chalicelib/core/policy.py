"""Defines the numbers that govern decisions. All of them are settings; the defaults are what the design promises."""

from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB

COPY_OBJECT_MAX_BYTES = 5 * GIB
"""CopyObject's limit (S3 user guide, "Copying objects")."""
PART_MIN_BYTES = 5 * MIB
PART_MAX_BYTES = 5 * GIB
PARTS_MAX = 10_000
OBJECT_MAX_BYTES = PARTS_MAX * PART_MAX_BYTES
"""48.8 TiB: S3 stores no larger object (S3 user guide, "Amazon S3 multipart upload limits")."""
KEY_MAX_BYTES = 1024
LIST_PAGE_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Policy:
    """Times, sizes and limits. Times in milliseconds, sizes in bytes."""

    heartbeat_ms: int = 15_000
    lease_ttl_ms: int = 90_000
    takeover_after_ms: int = 240_000
    sweep_interval_ms: int = 60_000
    redrive_after_ms: int = 60_000
    """A job in which nothing has moved for this long has lost a message: its task messages are sent again."""
    feed_catch_up_ms: int = 300_000
    """How often a dead Region's feeds are listed for objects whose events no Region handles."""
    hint_again_ms: int = 900_000
    """For how long an event hint is put off while the event's own Region is alive: the longest delay of SQS."""
    events_kept_ms: int = 4 * 24 * 3_600_000
    """How long a queue keeps an event that no worker takes (template.yaml). After that, only its hint is left."""
    inline_lock_ms: int = 180_000
    """For how long a delivery lock lets intake alone deliver a version. It exceeds intake's longest run (120 s) by at
    least two heartbeats."""
    copy_lock_ms: int = 960_000
    """The same for a feed job's worker, which runs for up to 900 s."""
    feed_upload_age_ms: int = 7 * 24 * 3_600_000
    """How long a multipart upload whose event was lost may have taken: S3 dates an object by the beginning of its
    upload. Lifecycle rules commonly abort uploads that are older than 7 days."""
    stale_upload_ms: int = 24 * 3_600_000
    multipart_threshold_bytes: int = 256 * MIB
    part_size_bytes: int = 64 * MIB
    partition_rows: int = 1000
    partition_bytes: int = 1024 * GIB
    """A partition ends at this size even if it has few rows, so that one worker never gets days of work."""
    split_entries_per_run: int = 50
    """How many entries of a manifest log one split invocation writes before it splits the rest of its range in two."""
    partitions_ahead: int = 24
    """How many partitions of a job of normal priority are in the copy queue or being copied at once (`core.admission`).
    It equals the number that a tenant may have in work, so that a job that runs alone never waits for a permit or a
    message."""
    tenant_partitions_max: int = 24
    """How many partitions of one tenant a Region copies at once. A Region has more workers than that (CopyConcurrency,
    32), so no tenant ever has all of them."""
    rows_in_flight: int = 32
    parts_in_flight: int = 16
    parts_per_worker: int = 1000
    """A large object with more parts to copy is divided among several workers."""
    workers_per_object: int = 16
    row_rounds_max: int = 30
    """The retry budget of a row: after so many rounds, each with `attempts` tries, an undecided row is given up. Rests
    grow from 15 seconds to 15 minutes (`core.tries`), so these rounds take six hours."""
    set_aside_after_rounds: int = 2
    """Rows that are undecided after so many rounds are set aside, so that their neighbours get their receipt."""
    attempts: int = 8
    """Tries of one row in one invocation while S3 answers with retryable errors; then the partition is released."""
    backoff_base_ms: int = 100
    backoff_max_ms: int = 5_000
    inline_objects: int = 10
    """A batch of at most so many small objects is delivered by intake itself."""
    sweep_jobs_per_run: int = 1000
    redrives_per_job: int = 100
    report_piece_bytes: int = 8 * MIB
    """A report is made in pieces of at least this size, which S3 then joins as the upload parts of one object."""
    report_digest_max_bytes: int = 16 * GIB
    """The size that one invocation can surely read again: a larger report has no SHA-256."""
    plan_kept_ms: int = 7 * 24 * 3_600_000
    """A plan that is older can't be approved any more: its predictions may no longer be true."""
    object_max_bytes: int = OBJECT_MAX_BYTES
    """Larger objects are not copied: their rows fail when they are planned."""
    keys_refresh_ms: int = 300_000
    """How often an issuer is asked for its keys."""
    keys_grace_ms: int = 3_600_000
    """For how long a key is still accepted after its issuer has stopped publishing it: tokens signed just before stay
    valid."""
    schedule_interval_min_ms: int = 300_000
    """The shortest time that a schedule may leave between two occurrences."""
    webhook_attempts: int = 14
    """How often a notification is posted before people are called."""
    webhook_backoff_base_ms: int = 30_000
    webhook_backoff_max_ms: int = 6 * 3_600_000
    """With these, a receiver may be down for 13 hours, on average 20, before it misses anything."""
    requests_per_minute_per_tenant: int = 600
    """How many requests of a tenant the API of one Region answers in a minute, by that Region's clock."""
    endpoints_per_tenant: int = 100
    feeds_per_tenant: int = 200
    schedules_per_tenant: int = 100
    webhooks_per_tenant: int = 20
    """How many of each a tenant may have registered at once. Two Regions that take requests at the same moment may
    exceed it."""
    endpoint_recheck_ms: int = 900_000
    """How often the ownership of the buckets that feeds and jobs use is checked again. It is checked less often if
    there are more of them than `rechecks_per_sweep` a minute."""
    rechecks_per_sweep: int = 100
    """The number of feeds, and of jobs, that one sweep checks."""
    removed_kept_ms: int = 30 * 24 * 3_600_000
    """For how long a removed entry is kept, for work that was begun under it."""
    removed_per_tenant: int = 1000
    """How many removed entries of a kind are kept. A tenant that has more can't create new ones for now."""
    catalog_entries_per_sweep: int = 1000
    """How many feeds, endpoints and removed endpoints of all tenants, each, one sweep looks at."""
    own_connect_ms: int = 1_000
    """For each call of the sweep and the API within their own Region: to S3, the table, the queues or the event bus."""
    own_read_ms: int = 2_000
    peer_connect_ms: int = 1_000
    """For each call of the sweep and the API to another Region's S3."""
    peer_read_ms: int = 2_000
    count_connect_ms: int = 400
    """For the count that each request of the API begins with. It must leave time for one more call that hangs."""
    count_read_ms: int = 400
    authorizer_connect_ms: int = 400
    """For the authorizer's one read of an issuer's keys."""
    authorizer_read_ms: int = 700
    key_source_ms: int = 3_000
    """The whole time for asking an issuer for its keys."""
    worker_connect_ms: int = 2_000
    """For each call of the workers: intake, split, copy, verify, notify."""
    worker_read_ms: int = 10_000
    copy_read_ms: int = 300_000
    """Copying 5 GiB takes minutes until the answer begins, and so may completing 10,000 parts."""
    silence_rest_ms: int = 30_000
    """How long work rests after a dependency did not answer. Meanwhile its worker is free for other work."""
    sweep_run_ms: int = 48_000
    """For how long a sweep begins calls. Its stages share this time (`core.shares`)."""
    api_answer_ms: int = 5_000
    """The API answers within this time, the authorizer included, while something hangs."""
    api_slow_ms: int = 15_000
    """If everything answers, but slowly, the API begins no call after this time: API Gateway times out after 29 s."""
