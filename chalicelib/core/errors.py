"""Defines the errors of this product, sorted by what the caller does about them, and the codes that clients get.

Adapters translate whatever AWS answers into one of these, once. No handler looks at an error's text.

Two families have two kinds of codes. An error that answers a client's request is a `RequestError`, and its code is an
`ErrorCode`, which clients may rely on. The code of any other error is plain text: AWS's own where there is one. It is
for logs and records, and no client gets it as an error code.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The error codes that clients of the API can get. `entry.rest.problems` has one row for each: the class of the
    errors that carry it, its status, title and advice."""

    # The request can't be read.
    NO_BODY = "NoBody"
    NOT_JSON = "NotJson"
    NOT_AN_OBJECT = "NotAnObject"
    BODY_TOO_LARGE = "BodyTooLarge"
    UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaType"
    INVALID_REQUEST = "InvalidRequest"
    INVALID_IDEMPOTENCY_KEY = "InvalidIdempotencyKey"
    INVALID_CONDITION = "InvalidCondition"
    INVALID_CURSOR = "InvalidCursor"
    REFUSED = "Refused"

    # A job or plan, or any other request that names objects, can't be carried out.
    UNKNOWN_ENDPOINT = "UnknownEndpoint"
    NOT_READABLE = "NotReadable"
    NOT_WRITABLE = "NotWritable"
    PREFIX_NOT_A_FOLDER = "PrefixNotAFolder"
    PREFIX_TOO_LONG = "PrefixTooLong"
    NO_NAME_LEFT = "NoNameLeft"
    INVALID_FILTER = "InvalidFilter"
    CONFLICTING_INPUT = "ConflictingInput"
    KEY_TOO_LONG = "KeyTooLong"
    MANIFEST_UNREADABLE = "ManifestUnreadable"
    OVERLAP = "Overlap"
    DELETES_FOR_EVER = "DeletesForEver"
    ENDPOINT_CHANGED = "EndpointChanged"
    ENDPOINT_UNUSABLE = "EndpointUnusable"
    IDEMPOTENCY_KEY_REUSED = "IdempotencyKeyReused"
    JOB_NOT_SETTLED = "JobNotSettled"
    PLAN_NOT_MADE = "PlanNotMade"
    PLAN_EXPIRED = "PlanExpired"
    PLAN_CANCELLED = "PlanCancelled"

    # An entry can't be registered so.
    INVALID_NAME = "InvalidName"
    INVALID_URL = "InvalidUrl"
    FEED_LOOP = "FeedLoop"
    INVALID_CRON = "InvalidCron"
    UNKNOWN_TIMEZONE = "UnknownTimezone"
    TOO_OFTEN = "TooOften"
    SCHEDULE_TOO_LARGE = "ScheduleTooLarge"
    TARGET_REGION_CHANGED = "TargetRegionChanged"
    IN_USE = "InUse"
    TOO_MANY_REGISTERED = "TooManyRegistered"
    DECLARED_BY_DEPLOYMENT = "DeclaredByDeployment"
    ALREADY_THERE = "AlreadyThere"
    HAS_CHANGED = "HasChanged"

    # What the path names does not exist.
    UNKNOWN_JOB = "UnknownJob"
    UNKNOWN_PLAN = "UnknownPlan"
    UNKNOWN_FEED = "UnknownFeed"
    UNKNOWN_SCHEDULE = "UnknownSchedule"
    UNKNOWN_WEBHOOK = "UnknownWebhook"
    NO_SUCH_ENDPOINT = "NoSuchEndpoint"
    """An endpoint in a path. One that a body names is UNKNOWN_ENDPOINT, with another status."""
    NO_SUCH_OPERATION = "NoSuchOperation"

    # The caller may not do this, or not now.
    UNAUTHORIZED = "Unauthorized"
    ACCESS_DENIED = "AccessDenied"
    MISSING_SCOPE = "MissingScope"
    RATE_LIMITED = "RateLimited"
    THROTTLED = "Throttled"

    # The service can't answer.
    INTERNAL = "Internal"
    SERVICE_MISCONFIGURED = "ServiceMisconfigured"
    TRY_AGAIN = "TryAgain"
    UNHEALTHY = "Unhealthy"
    NO_ANSWER = "NoAnswer"


class EftError(Exception):
    """Base of every error this product raises on purpose.

    `code` is a stable machine word (AWS's own where there is one); the message is for people.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message or code


class Retry(EftError):
    """The answer says nothing about the effect: throttled, a 5xx, a timeout, a 409. Look, then perhaps try again."""


class NoAnswer(Retry):
    """The dependency did not answer within the call's time budget: there was no connection, or it closed, or no data
    came. The request may have been carried out all the same. The next call to the same dependency most likely gets no
    answer either, and costs its whole budget, so a caller with other work should do that first."""


class NotAsked(NoAnswer):
    """The call was not made, because its dependency has failed to answer earlier in this invocation. So it had no
    effect."""


class Unsettled(Retry):
    """One invocation used up its attempts, and the result is still undecided."""


class Conflict(Retry):
    """409 ConditionalRequestConflict: a concurrent write to the key. At CompleteMultipartUpload the upload can't be
    used any more and must be started anew (S3 user guide, "Conditional writes")."""


class PreconditionFailed(EftError):
    """412: somebody else's state is there, or your own earlier success is. Look and decide; never just repeat."""


class NotFound(EftError):
    """The key (or version) does not exist. This is an answer, not a fault."""


class NoSuchUpload(EftError):
    """The multipart upload was completed or aborted; S3 does not say which."""


class NoSuchBucket(EftError):
    """The bucket doesn't exist, or the expected owner doesn't own it."""


class Denied(EftError):
    """AWS refuses this principal. Repeating won't help until somebody changes a policy."""


class Archived(EftError):
    """The object is in an archive class and not restored (S3: InvalidObjectState)."""


class Permanent(EftError):
    """AWS refuses the request itself; the same request will always be refused."""


class Corrupt(EftError):
    """A record of ours doesn't contain what it must. It is never repaired silently."""


class OutOfTime(EftError):
    """This invocation's time is used up. The work so far is recorded, and the next invocation continues from there."""


class JobCancelled(EftError):
    """The job was cancelled: decide the undecided rows without copying."""


class JobPaused(EftError):
    """The job was paused: begin nothing new, and release what is undecided."""


class Superseded(EftError):
    """Another worker holds the partition at a higher epoch, or the partition is done or cancelled. Stop; nothing is
    lost."""


class RequestError(EftError):
    """Base of the errors that answer a client's request: the API shows its code and its message to the client."""

    code: ErrorCode

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)


class BadRequest(RequestError):
    """A client's request can't be carried out as it is. The message says what to change."""


class Unknown(RequestError):
    """The thing does not exist, or it belongs to another tenant. The answer doesn't reveal which."""


class KeyReused(RequestError):
    """The Idempotency-Key was used for another request before."""


class NotYet(RequestError):
    """The request can be carried out only when the job has progressed further. The message says when."""


class VersionMismatch(RequestError):
    """The entry is not at the version that the client expects: its If-Match or If-None-Match does not hold."""


class InUse(RequestError):
    """It can't be removed or changed like this, since something else needs it. The message says what."""


class Unusable(RequestError):
    """The request names something that can't be used as it is now, for reasons outside the request. The message says
    which, and what would help."""
