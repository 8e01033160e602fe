"""The numbers that govern decisions. All of them are settings; the defaults are the design's promise."""

from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB

COPY_OBJECT_MAX_BYTES = 5 * GIB
"""CopyObject's limit (S3 user guide, "Copying objects")."""
PART_MIN_BYTES = 5 * MIB
PART_MAX_BYTES = 5 * GIB
PARTS_MAX = 10_000
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
    stale_upload_ms: int = 24 * 3_600_000
    multipart_threshold_bytes: int = 256 * MIB
    part_size_bytes: int = 64 * MIB
    partition_rows: int = 1000
    partition_bytes: int = 1024 * GIB
    """A partition ends at so many bytes even when it has few rows: one worker is not given days of work."""
    split_links_per_run: int = 50
    """How many links one split invocation cuts before it forks the rest of its range."""
    rows_in_flight: int = 32
    parts_in_flight: int = 16
    parts_per_worker: int = 1000
    """A large object with more parts to copy is divided among several workers."""
    workers_per_object: int = 16
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
    keys_refresh_ms: int = 300_000
    """How often an issuer is asked for its keys."""
    keys_grace_ms: int = 3_600_000
    """For how long a key counts that its issuer doesn't publish any more: what it signed just before is still good."""
    requests_per_minute_per_tenant: int = 600
    """What the API of one Region answers a tenant in a minute, by that Region's clock."""
