"""What is asked for when a job is submitted, and what is accepted for it: endpoints resolved, everything checked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chalicelib.core import ids
from chalicelib.core.errors import BadRequest
from chalicelib.core.filters import Sieve
from chalicelib.core.inputs import NO_FILTERS, Filters
from chalicelib.core.model import Endpoint, JobKind, JobSpec, OverwriteMode, Priority
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.ports import Env


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint and a prefix below its own."""

    endpoint: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ManifestPlace:
    """An endpoint and a key below its prefix: an object that lists objects."""

    endpoint: str
    key: str


@dataclass(frozen=True, slots=True)
class Submission:
    tenant: str
    token: str
    """The Idempotency-Key, or a nonce where the client gave none."""
    source: Place
    target: Place
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    labels: Mapping[str, str] = field(default_factory=dict)
    filters: Filters = NO_FILTERS
    retry_of: JobSpec | None = None
    """Not what is under the source: what this job, which has settled, didn't deliver."""
    keys: tuple[str, ...] = ()
    """Not all that is under the source's prefix: what lies there under these keys, below it."""
    manifest: ManifestPlace | None = None
    """Not all that is under the source's prefix: what this object names."""
    priority: Priority = Priority.NORMAL


def spec_of(env: Env, submission: Submission) -> JobSpec:
    """The job, if it can be carried out. Nothing is written."""
    kind = _kind(submission)
    Sieve.of(submission.filters)
    source = _endpoint(env, submission.tenant, submission.source, "source")
    target = _endpoint(env, submission.tenant, submission.target, "target")
    if not source.readable:
        raise BadRequest("NotReadable", f"endpoint {source.id!r} may not be read from: choose another source")
    if not target.writable:
        raise BadRequest("NotWritable", f"endpoint {target.id!r} may not be written to: choose another target")
    source_prefix = source.prefix + submission.source.prefix
    target_prefix = target.prefix + submission.target.prefix
    for role, prefix in (("source", source_prefix), ("target", target_prefix)):
        if len(prefix.encode()) > KEY_MAX_BYTES:
            detail = f"{role}: with the endpoint's own, the prefix has {len(prefix.encode())} bytes"
            raise BadRequest("PrefixTooLong", f"{detail}; S3 keys have at most {KEY_MAX_BYTES}")
    _check_keys(source_prefix, submission)
    if submission.manifest is not None:
        place = submission.manifest
        if not _endpoint(env, submission.tenant, Place(place.endpoint), "manifest").readable:
            raise BadRequest(
                "NotReadable", f"endpoint {place.endpoint!r} may not be read from: keep the manifest elsewhere"
            )
        _check_key("manifest", env.endpoints[place.endpoint].prefix + place.key)
    same_bucket = source.bucket.name == target.bucket.name
    if same_bucket and (source_prefix.startswith(target_prefix) or target_prefix.startswith(source_prefix)):
        raise BadRequest(
            "Overlap",
            f"source {source_prefix!r} and target {target_prefix!r} overlap in bucket {source.bucket.name}: "
            "the job would copy what it writes; choose prefixes of which neither contains the other",
        )
    if submission.retry_of is not None:
        _check_unchanged(submission.retry_of, source, target, source_prefix, target_prefix)
    return JobSpec(
        job_id=ids.job_id(submission.tenant, submission.token, target.bucket.region),
        tenant=submission.tenant,
        kind=kind,
        source=source,
        target=target,
        source_prefix=source_prefix,
        target_prefix=target_prefix,
        mode=submission.mode,
        home=env.region,
        created_ms=env.clock.now_ms(),
        request_sha256=_digest(submission),
        labels=dict(submission.labels),
        filters=submission.filters,
        retry_of=submission.retry_of.job_id if submission.retry_of else None,
        priority=submission.priority,
    )


def _kind(submission: Submission) -> JobKind:
    """What the job goes by: one thing only."""
    asked = {
        JobKind.KEYS: bool(submission.keys),
        JobKind.MANIFEST: submission.manifest is not None,
        JobKind.RETRY: submission.retry_of is not None,
    }
    kinds = [kind for kind, wanted in asked.items() if wanted]
    if len(kinds) > 1 or (kinds and submission.filters != NO_FILTERS):
        raise BadRequest("ConflictingInput", "send one of filter, keys and manifest: which objects are meant?")
    return kinds[0] if kinds else JobKind.PREFIX


def _check_keys(source_prefix: str, submission: Submission) -> None:
    for key in submission.keys:
        _check_key("keys", source_prefix + key)


def _check_key(role: str, key: str) -> None:
    if len(key.encode()) > KEY_MAX_BYTES:
        detail = f"{role}: with the endpoint's and the source's prefix, {key[-64:]!r} has {len(key.encode())} bytes"
        raise BadRequest("KeyTooLong", f"{detail}; S3 keys have at most {KEY_MAX_BYTES}")


def _check_unchanged(old: JobSpec, source: Endpoint, target: Endpoint, source_prefix: str, target_prefix: str) -> None:
    """A retry is a new request: what its endpoints allow today counts. But its rows are the old job's."""
    places = (source.bucket.name, source_prefix, target.bucket.name, target_prefix)
    if places != (old.source.bucket.name, old.source_prefix, old.target.bucket.name, old.target_prefix):
        raise BadRequest(
            "EndpointChanged",
            f"endpoint {source.id!r} or {target.id!r} is another place than when {old.job_id} was submitted: "
            "submit a new job",
        )


def _digest(submission: Submission) -> str:
    """What wasn't asked for is not in it: so it stays the same when there is more to ask for."""
    asked: dict[str, Any] = {
        "source": [submission.source.endpoint, submission.source.prefix],
        "target": [submission.target.endpoint, submission.target.prefix],
        "mode": submission.mode,
        "labels": dict(submission.labels),
    }
    if submission.filters != NO_FILTERS:
        asked["filters"] = asdict(submission.filters)
    if submission.retry_of is not None:
        asked["retry_of"] = submission.retry_of.job_id
    if submission.keys:
        asked["keys"] = submission.keys
    if submission.manifest is not None:
        asked["manifest"] = asdict(submission.manifest)
    if submission.priority is not Priority.NORMAL:
        asked["priority"] = submission.priority
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _endpoint(env: Env, tenant: str, place: Place, role: str) -> Endpoint:
    endpoint = env.endpoints.get(place.endpoint)
    if endpoint is None or endpoint.tenant != tenant:
        raise BadRequest("UnknownEndpoint", f"{role}: you have no endpoint {place.endpoint!r}")
    return endpoint
