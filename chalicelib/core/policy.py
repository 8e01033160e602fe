"""The numbers that govern decisions. All of them are settings; the defaults are the design's promise."""

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
    """A job in which nothing moved for so long has lost a message: wake its steps again."""
    feed_catch_up_ms: int = 300_000
    """How often a dead Region's feeds are listed for objects that nobody took the events of."""
    hint_again_ms: int = 900_000
    """How long a hint of an event is put off while the Region lives whose event it is: as long as SQS can."""
    events_kept_ms: int = 4 * 24 * 3_600_000
    """How long a queue keeps an event that nobody takes (template.yaml): after that its hint is all that is left."""
    inline_lock_ms: int = 180_000
    """How long intake alone delivers a version: longer, by two heartbeats at least, than it can run (120 s)."""
    copy_lock_ms: int = 960_000
    """The same for the worker of a feed job, which runs for 900 s."""
    feed_upload_age_ms: int = 7 * 24 * 3_600_000
    """How long a multipart upload may take whose event was lost: S3 dates an object by the upload's beginning.
    Lifecycle rules commonly abort uploads that are older than 7 days."""
    stale_upload_ms: int = 24 * 3_600_000
    multipart_threshold_bytes: int = 256 * MIB
    part_size_bytes: int = 64 * MIB
    partition_rows: int = 1000
    partition_bytes: int = 1024 * GIB
    """A partition ends at so many bytes even when it has few rows: one worker is not given days of work."""
    split_links_per_run: int = 50
    """How many links one split invocation cuts before it forks the rest of its range."""
    partitions_ahead: int = 24
    """How many partitions of a job of normal priority are in the copy queue or at work at once (`core.admission`): as
    many as its tenant may have at work, so that a job that is alone never waits for a slot, and never for a message."""
    tenant_partitions_max: int = 24
    """How many partitions of one tenant a Region copies at once: fewer than it has workers (CopyConcurrency, 32), so
    that no tenant ever has all of them."""
    rows_in_flight: int = 32
    parts_in_flight: int = 16
    parts_per_worker: int = 1000
    """A large object with more parts to copy is divided among several workers."""
    workers_per_object: int = 16
    row_rounds_max: int = 30
    """A row that is still undecided after so many rounds, each with `attempts` tries, is given up. Rests grow from 15
    seconds to 15 minutes (`core.tries`), so that these come to six hours."""
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
    """A report is made in pieces of at least so many bytes, which S3 then puts together as the parts of one object."""
    report_digest_max_bytes: int = 16 * GIB
    """What one invocation can surely read again: a larger report has no SHA-256."""
    plan_kept_ms: int = 7 * 24 * 3_600_000
    """A plan that is older can't be approved any more: what it says is no longer what would happen."""
    object_max_bytes: int = OBJECT_MAX_BYTES
    """Larger objects are not copied: their rows fail when they are planned."""
    keys_refresh_ms: int = 300_000
    """How often an issuer is asked for its keys."""
    keys_grace_ms: int = 3_600_000
    """For how long a key counts that its issuer doesn't publish any more: what it signed just before is still good."""
    schedule_interval_min_ms: int = 300_000
    """What a schedule's clock must leave between two occurrences, at least."""
    webhook_attempts: int = 14
    """How often a notification is posted before people are called."""
    webhook_backoff_base_ms: int = 30_000
    webhook_backoff_max_ms: int = 6 * 3_600_000
    """With these, a receiver may be down for 13 hours, on average 20, before it misses anything."""
    requests_per_minute_per_tenant: int = 600
    """What the API of one Region answers a tenant in a minute, by that Region's clock."""
    endpoints_per_tenant: int = 100
    feeds_per_tenant: int = 200
    schedules_per_tenant: int = 100
    webhooks_per_tenant: int = 20
    """What a tenant may have registered at once. Two Regions that take requests at the same moment may exceed it."""
    endpoint_recheck_ms: int = 900_000
    """How often it is asked whose the buckets are that feeds and jobs read and write. With more of them than
    `rechecks_per_sweep` a minute, less often."""
    rechecks_per_sweep: int = 100
    """Feeds, and jobs."""
    removed_kept_ms: int = 30 * 24 * 3_600_000
    """For how long a removed one is kept, for what was begun under it."""
    removed_per_tenant: int = 1000
    """So many of a kind are kept: who has removed more lately makes no new ones for now."""
    places_per_sweep: int = 1000
    """Of the feeds, the endpoints and the removed endpoints of all tenants, so many are looked at by one sweep."""
    own_connect_ms: int = 1_000
    """Of each call of the sweep and the API to what is in their own Region: S3, table, queues, event bus."""
    own_read_ms: int = 2_000
    peer_connect_ms: int = 1_000
    """Of each call of the sweep and the API to another Region's S3."""
    peer_read_ms: int = 2_000
    count_connect_ms: int = 400
    """Of the count that each request of the API begins with. After it there must be time for one call that hangs."""
    count_read_ms: int = 400
    authorizer_connect_ms: int = 400
    """Of the authorizer's one read of an issuer's keys."""
    authorizer_read_ms: int = 700
    key_source_ms: int = 3_000
    """Of asking an issuer for its keys, all in all."""
    worker_connect_ms: int = 2_000
    """Of each call of the workers: intake, split, copy, verify, notify."""
    worker_read_ms: int = 10_000
    copy_read_ms: int = 300_000
    """Copying 5 GiB takes minutes until the answer begins, and so may completing 10,000 parts."""
    silence_rest_ms: int = 30_000
    """How long work rests that found a dependency silent: meanwhile its worker is free for others."""
    sweep_run_ms: int = 48_000
    """How long a sweep begins calls. Its stages share it (`core.shares`)."""
    api_answer_ms: int = 5_000
    """The API answers within this, the authorizer included, while something hangs."""
    api_slow_ms: int = 15_000
    """And begins no call later than this when all answers, but slowly: API Gateway gives up after 29 s."""
