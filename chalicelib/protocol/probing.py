"""Check that an endpoint is what its registration says, and that this service may use it. The check sends real
requests, and leaves no trace that anybody else sees.

The check also decides whose bucket it is. The service can reach the buckets of many tenants, so access to a bucket says
nothing about the tenant that asks. A bucket is a tenant's if the bucket says so: its tag `eft-tenants` names the
tenant. Only administrators of the bucket can set tags (s3:PutBucketTagging); a partner who may drop objects can't.
"""

from collections.abc import Callable

from chalicelib.core.deletions import Consent, finality
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import Archived, Denied, EftError, ErrorCode, NoSuchBucket, NotFound, Retry, Unusable
from chalicelib.core.objects import Bucket, ObjectFacts, Properties
from chalicelib.core.plan import ARCHIVE_CLASSES
from chalicelib.ports import BucketFacts, Env, Placement
from chalicelib.protocol.catalog import declared_endpoint

TENANTS_TAG = "eft-tenants"
"""A bucket tag: the tenants that may use the bucket, separated by spaces. Its value has at most 256 characters (S3 user
guide, "Using cost allocation S3 bucket tags")."""
PROBE_NAME = ".eft-probe"
"""The name of the multipart upload that tests writing. It is begun and aborted, and never becomes an object."""
_LOOKED_AT = 20
"""How many of the first keys are considered for reading a byte."""


def probe(env: Env, endpoint: Endpoint) -> tuple[str, ...]:
    """Return the reasons against using the endpoint as it was registered; empty if there are none. Raises Retry if S3
    doesn't answer."""
    facts = _described(env, endpoint)
    if facts is None:
        return (_not_yours(endpoint),)
    findings = _misplaced(env, endpoint, facts)
    if findings:
        return findings
    checks: list[Callable[[Env, Endpoint], str]] = [_try_listing]
    checks += [_try_reading] if endpoint.readable else []
    checks += [_try_writing] if endpoint.writable else []
    return tuple(finding for check in checks if (finding := check(env, endpoint)))


def glance(env: Env, endpoint: Endpoint) -> tuple[str, ...]:
    """Check an endpoint as `probe` does, but without reading or writing an object; called before each job. The job's
    own rows show problems that this doesn't find."""
    facts = _described(env, endpoint)
    if facts is None:
        return (_not_yours(endpoint),)
    return _misplaced(env, endpoint, facts) or tuple(finding for finding in (_try_listing(env, endpoint),) if finding)


def why_for_ever(env: Env, bucket: Bucket, consent: Consent) -> str:
    """Return why objects that are deleted in the bucket now could not be brought back, or "" if objects may be deleted.
    With consent to final deletion they always may. Raises Retry if S3 doesn't answer."""
    if consent is Consent.FOR_EVER:
        return ""
    try:
        versioning = env.store.versioning(bucket)
    except Retry:
        raise
    except EftError as error:
        env.log("versioning-not-shown", bucket=bucket.name, error=str(error))
        versioning = None
    return finality(versioning)


def still_yours(env: Env, endpoint: Endpoint) -> tuple[str, ...]:
    """Return the reasons against continuing with an endpoint: its bucket is gone, or no longer says that it is the
    tenant's. Empty for a declared endpoint. Raises Retry if S3 doesn't answer, which proves nothing."""
    if declared_endpoint(env, endpoint.tenant, endpoint.id) is not None:
        return ()
    facts = _described(env, endpoint)
    return (_not_yours(endpoint),) if facts is None else _misplaced(env, endpoint, facts)


def check_still_yours(env: Env, *endpoints: Endpoint, strictly: bool = False) -> None:
    """Check that the endpoints may still be used. Raises Unusable if one of them may not.

    If S3 doesn't answer, that proves nothing: with `strictly` it raises Retry; otherwise the endpoint passes, and
    `protocol.rechecking` asks again.
    """
    for endpoint in endpoints:
        try:
            findings = still_yours(env, endpoint)
        except Retry as error:
            if strictly:
                raise
            env.log("endpoint-not-checked", endpoint=endpoint.id, tenant=endpoint.tenant, error=str(error))
            continue
        if findings:
            raise Unusable(ErrorCode.ENDPOINT_UNUSABLE, f"endpoint {endpoint.id!r}: {'; '.join(findings)}")


def _described(env: Env, endpoint: Endpoint) -> BucketFacts | None:
    """Return the facts of the bucket, or None if it can't be read or isn't the tenant's. A tenant that can't prove more
    must not learn which of the two."""
    if endpoint.bucket.name in {bucket.name for bucket in env.control_buckets.values()}:
        return None
    try:
        facts = env.store.describe(endpoint.bucket)
    except (Denied, NoSuchBucket):
        return None
    return facts if endpoint.tenant in facts.tags.get(TENANTS_TAG, "").split() else None


def _not_yours(endpoint: Endpoint) -> str:
    owner = f" in account {endpoint.bucket.owner}" if endpoint.bucket.owner else ""
    return (
        f"bucket {endpoint.bucket.name!r} can't be used: it must exist in {endpoint.bucket.region}{owner}, let the "
        f"service's roles look at it (s3:ListBucket, s3:GetBucketTagging), and its tag {TENANTS_TAG!r} must name your "
        "tenant"
    )


def _misplaced(env: Env, endpoint: Endpoint, facts: BucketFacts) -> tuple[str, ...]:
    if facts.region != endpoint.bucket.region:
        return (f"bucket {endpoint.bucket.name!r} is in {facts.region}, not in {endpoint.bucket.region}: say so",)
    if endpoint.writable and endpoint.bucket.region not in env.control_buckets:
        ours = ", ".join(sorted(env.control_buckets))
        return (f"it can't be written to in {endpoint.bucket.region}: the service keeps its records in {ours} only",)
    return ()


def _try_listing(env: Env, endpoint: Endpoint) -> str:
    try:
        env.store.list(endpoint.bucket, endpoint.prefix, limit=1)
    except Retry:
        raise
    except EftError as error:
        return f"listing {endpoint.prefix!r} is refused ({error}): allow s3:ListBucket for the service's roles"
    return ""


def _try_reading(env: Env, endpoint: Endpoint) -> str:
    """Read one byte of an existing object. With no object there this can't be tested: the first job will show it."""
    for facts in env.store.list(endpoint.bucket, endpoint.prefix, limit=_LOOKED_AT).objects:
        if facts.size == 0 or (facts.storage_class in ARCHIVE_CLASSES and not facts.restored):
            continue
        return _try_reading_one(env, endpoint, facts)
    return ""


def _try_reading_one(env: Env, endpoint: Endpoint, facts: ObjectFacts) -> str:
    try:
        env.store.read(endpoint.bucket, facts.key, facts.etag, 0, 0)
    except (Retry, NotFound, Archived):
        # Archived: Intelligent-Tiering has tiers that LIST doesn't show.
        return ""
    except Denied as error:
        return (
            f"reading {facts.key!r} is refused ({error}): allow s3:GetObject, s3:GetObjectVersion, "
            "s3:GetObjectTagging and, where a KMS key encrypts it, kms:Decrypt for the service's roles"
        )
    except EftError:
        return ""  # It has changed since it was listed: somebody else could write it, and we could read.
    return ""


def _try_writing(env: Env, endpoint: Endpoint) -> str:
    """Begin a multipart upload and abort it. This needs all permissions that publishing needs (s3:PutObject,
    kms:GenerateDataKey), and never creates an object, a version or an event."""
    key = f"{endpoint.prefix}{PROBE_NAME}/{env.ids.nonce()}"
    placement = Placement(kms_key=endpoint.kms_key)
    try:
        upload = env.store.create_upload(endpoint.bucket, key, Properties(), {}, placement, None)
        # Crash here: the upload is open, and belongs to nothing. The sweep aborts it when it is old, as any upload of
        # ours.
        env.store.abort(upload)
    except Retry:
        raise
    except EftError as error:
        return (
            f"writing below {endpoint.prefix!r} is refused ({error}): allow s3:PutObject, s3:PutObjectTagging and "
            f"s3:AbortMultipartUpload and, with a KMS key, kms:GenerateDataKey and kms:Decrypt for the service's roles"
        )
    return ""
