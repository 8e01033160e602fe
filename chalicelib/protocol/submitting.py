"""Turn a submission into the job that is accepted for it: resolve its endpoints and check everything."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chalicelib.core import ids
from chalicelib.core.deletions import CONSENT_NEEDED, Consent, Deletion, by_globs_alone
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import BadRequest, ErrorCode, Retry, Unusable
from chalicelib.core.filters import ObjectFilter
from chalicelib.core.inputs import NO_FILTERS, Filters, ListFormat
from chalicelib.core.jobs import CancelMode, JobKind, JobSpec, Priority, Scheduled
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.core.rows import OverwriteMode
from chalicelib.ports import Env
from chalicelib.protocol.catalog import find_endpoint
from chalicelib.protocol.prefixes import check_folder, check_folders_for_delete, check_prefix, check_source_folder
from chalicelib.protocol.probing import glance, why_for_ever
from chalicelib.protocol.regions import storage_reachable


@dataclass(frozen=True, slots=True)
class Location:
    """An endpoint and a prefix below its own."""

    endpoint: str
    prefix: str = ""
    text_prefix: bool = field(default=False, compare=False)
    """The sender knows that the prefix is no folder (`core.prefixes`). It is not compared, since it doesn't change the
    location."""


@dataclass(frozen=True, slots=True)
class ListLocation:
    """An endpoint and a key below its prefix: an object that lists objects."""

    endpoint: str
    key: str
    format: ListFormat = ListFormat.CSV


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a job: the client's, or that of a schedule's occurrence."""

    tenant: str
    token: str
    """The Idempotency-Key, or a nonce if the client gave none."""
    source: Location
    target: Location
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    labels: Mapping[str, str] = field(default_factory=dict)
    filters: Filters = NO_FILTERS
    retry_of: JobSpec | None = None
    """If set, the job copies only the objects that this settled job didn't deliver."""
    keys: tuple[str, ...] = ()
    """If set, the job copies only the objects with these keys, which are below the source's prefix."""
    manifest: ListLocation | None = None
    """If set, the job copies only the objects that this object names."""
    cancel_mode: CancelMode = CancelMode.FAST
    scheduled: Scheduled | None = None
    planned_first: bool = False
    every_object: bool = False
    deletion: Deletion | None = None
    """If set, objects at the target without a counterpart at the source are deleted."""
    priority: Priority = Priority.NORMAL


def spec_of(env: Env, submission: Submission) -> JobSpec:
    """Return the job for a submission. Nothing is written. Raises BadRequest or Unusable if the job can't be carried
    out."""
    kind = _kind(submission)
    ObjectFilter.of(submission.filters)
    source = _endpoint(env, submission.tenant, submission.source, "source")
    target = _endpoint(env, submission.tenant, submission.target, "target")
    if not source.readable:
        raise BadRequest(ErrorCode.NOT_READABLE, f"endpoint {source.id!r} may not be read from: choose another source")
    if not target.writable:
        raise BadRequest(ErrorCode.NOT_WRITABLE, f"endpoint {target.id!r} may not be written to: choose another target")
    check_source_folder(env, source, submission.source.prefix, text_prefix=submission.source.text_prefix)
    check_folder("target", submission.target.prefix, text_prefix=submission.target.text_prefix)
    if submission.deletion is not None:
        check_folders_for_delete(source=(source, submission.source.prefix), target=(target, submission.target.prefix))
    _check_usable(env, source, target)
    _check_consent(env, target, submission.deletion)
    source_prefix = source.prefix + submission.source.prefix
    target_prefix = target.prefix + submission.target.prefix
    for role, prefix in (("source", source_prefix), ("target", target_prefix)):
        check_prefix(role, prefix)
    _check_keys(source_prefix, submission)
    if submission.manifest is not None:
        _check_manifest(env, submission.tenant, submission.manifest)
    if source.bucket.name == target.bucket.name:
        _check_apart(source.bucket.name, source_prefix, target_prefix)
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
        cancel_mode=submission.cancel_mode,
        scheduled=submission.scheduled,
        planned_first=submission.planned_first,
        every_object=submission.every_object,
        deletion=submission.deletion,
        priority=submission.priority,
    )


def _check_usable(env: Env, *endpoints: Endpoint) -> None:
    """Raise Unusable if an endpoint no longer is what it was when it was registered. The operators vouch for declared
    endpoints. An endpoint whose Region's storage can't be reached passes: the job waits for it."""
    for endpoint in endpoints:
        if env.declared_endpoints.get(endpoint.id) is endpoint or not storage_reachable(env, endpoint.bucket.region):
            continue
        try:
            findings = glance(env, endpoint)
        except Retry as error:
            env.log("endpoint-not-checked", endpoint=endpoint.id, tenant=endpoint.tenant, error=str(error))
            continue
        if findings:
            raise Unusable(ErrorCode.ENDPOINT_UNUSABLE, f"endpoint {endpoint.id!r}: {'; '.join(findings)}")


def _check_consent(env: Env, target: Endpoint, deletion: Deletion | None) -> None:
    """Raise BadRequest if deleted objects could not be brought back, and the client has not consented to that.

    This may change later, so it is checked again when deletions are planned, and when they are carried out. If the
    storage of the Region can't be reached, the check passes now.
    """
    if deletion is None or not storage_reachable(env, target.bucket.region):
        return
    try:
        why = why_for_ever(env, target.bucket, deletion.consent)
    except Retry as error:
        env.log("versioning-not-checked", endpoint=target.id, tenant=target.tenant, error=str(error))
        return
    if why:
        raise BadRequest(ErrorCode.DELETES_FOR_EVER, f"target {target.id!r}: {why}; {CONSENT_NEEDED}")


def _kind(submission: Submission) -> JobKind:
    """Return the job's kind. Raises BadRequest if the submission names more than one kind of input, or options that
    don't go together."""
    inputs = {
        JobKind.KEYS: bool(submission.keys),
        JobKind.MANIFEST: submission.manifest is not None,
        JobKind.RETRY: submission.retry_of is not None,
    }
    kinds = [kind for kind, is_given in inputs.items() if is_given]
    if len(kinds) > 1 or (kinds and submission.filters != NO_FILTERS):
        raise BadRequest(ErrorCode.CONFLICTING_INPUT, "send one of filter, keys and manifest: which objects are meant?")
    if submission.deletion is not None:
        _check_goes_with_delete(submission, listed=bool(kinds))
    return kinds[0] if kinds else JobKind.PREFIX


def _check_goes_with_delete(submission: Submission, *, listed: bool) -> None:
    """Raise BadRequest if a submission that deletes has options that don't go with that. `listed`: it names its objects
    by a list."""
    if listed or not by_globs_alone(submission.filters):
        raise BadRequest(
            ErrorCode.CONFLICTING_INPUT,
            "delete goes with a prefix, and with a filter of include and exclude alone: of an object that isn't at the "
            "source nobody knows whether a list, a size, a time or a class would mean it",
        )
    if submission.source.text_prefix or submission.target.text_prefix:
        detail = "delete doesn't go with text_prefix, which would cost neighbours their objects: send one of them"
        raise BadRequest(ErrorCode.CONFLICTING_INPUT, detail)
    if submission.planned_first:
        detail = "a plan can't foresee what is to be deleted when all is delivered: send delete in a job, not in a plan"
        raise BadRequest(ErrorCode.CONFLICTING_INPUT, detail)
    if submission.cancel_mode is CancelMode.STRICT:
        raise BadRequest(
            ErrorCode.CONFLICTING_INPUT,
            "delete doesn't go with a strict cancel: a delete that is under way can't be recalled; send one of them",
        )


def _check_keys(source_prefix: str, submission: Submission) -> None:
    for key in submission.keys:
        _check_key("keys", source_prefix + key)


def _check_key(role: str, key: str) -> None:
    if len(key.encode()) > KEY_MAX_BYTES:
        detail = f"{role}: with the endpoint's and the source's prefix, {key[-64:]!r} has {len(key.encode())} bytes"
        raise BadRequest(ErrorCode.KEY_TOO_LONG, f"{detail}; S3 keys have at most {KEY_MAX_BYTES}")


def _check_manifest(env: Env, tenant: str, location: ListLocation) -> None:
    """Raise BadRequest unless the object that lists objects can be read, as far as its name tells."""
    endpoint = _endpoint(env, tenant, Location(location.endpoint), "manifest")
    if not endpoint.readable:
        detail = f"endpoint {location.endpoint!r} may not be read from: keep the manifest elsewhere"
        raise BadRequest(ErrorCode.NOT_READABLE, detail)
    _check_key("manifest", endpoint.prefix + location.key)


def _check_apart(bucket: str, source_prefix: str, target_prefix: str) -> None:
    """Raise BadRequest if two prefixes of one bucket overlap."""
    if source_prefix.startswith(target_prefix) or target_prefix.startswith(source_prefix):
        raise BadRequest(
            ErrorCode.OVERLAP,
            f"source {source_prefix!r} and target {target_prefix!r} overlap in bucket {bucket}: "
            "the job would copy what it writes; choose prefixes of which neither contains the other",
        )


def _check_unchanged(old: JobSpec, source: Endpoint, target: Endpoint, source_prefix: str, target_prefix: str) -> None:
    """Raise BadRequest if an endpoint of a retry is another location than in the old job: a retry's rows are the old
    job's. In all else a retry is a new request, and its endpoints' permissions of today count."""
    ends = (source.bucket.name, source_prefix, target.bucket.name, target_prefix)
    if ends != (old.source.bucket.name, old.source_prefix, old.target.bucket.name, old.target_prefix):
        raise BadRequest(
            ErrorCode.ENDPOINT_CHANGED,
            f"endpoint {source.id!r} or {target.id!r} is another location than when {old.job_id} was submitted: "
            "submit a new job",
        )


def _digest(submission: Submission) -> str:
    """Return the digest of the request. Fields with default values are left out, so it stays the same when new fields
    are introduced."""
    request: dict[str, Any] = {
        "source": [submission.source.endpoint, submission.source.prefix],
        "target": [submission.target.endpoint, submission.target.prefix],
        "mode": submission.mode,
        "labels": dict(submission.labels),
    }
    if submission.filters != NO_FILTERS:
        request["filters"] = asdict(submission.filters)
    if submission.retry_of is not None:
        request["retry_of"] = submission.retry_of.job_id
    if submission.keys:
        request["keys"] = submission.keys
    if submission.cancel_mode is not CancelMode.FAST:
        request["cancel"] = submission.cancel_mode
    if submission.manifest is not None:
        request["manifest"] = asdict(submission.manifest)
        if submission.manifest.format is ListFormat.CSV:
            del request["manifest"]["format"]
    if submission.planned_first:
        request["plan"] = "every-object" if submission.every_object else "listing"
    if submission.deletion is not None:
        request["delete"] = asdict(submission.deletion)
        if submission.deletion.consent is Consent.DELETE:
            del request["delete"]["consent"]
    if submission.priority is not Priority.NORMAL:
        request["priority"] = submission.priority
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _endpoint(env: Env, tenant: str, location: Location, role: str) -> Endpoint:
    endpoint = find_endpoint(env, tenant, location.endpoint)
    if endpoint is None:
        raise BadRequest(ErrorCode.UNKNOWN_ENDPOINT, f"{role}: you have no endpoint {location.endpoint!r}")
    return endpoint
