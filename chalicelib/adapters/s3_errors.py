"""Translate the errors of S3 and botocore once into errors that are sorted by what the caller does about them.

Sources: S3 API reference, "Error responses"; S3 user guide, "Conditional writes"; botocore.exceptions. The code decides
where it is listed here; else the HTTP status does. HEAD answers have no body: their code IS the status ("404"), so HEAD
can't tell a missing bucket from a missing key.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from chalicelib.core.errors import (
    Archived,
    Conflict,
    Denied,
    EftError,
    NoAnswer,
    NoSuchBucket,
    NoSuchUpload,
    NotFound,
    Permanent,
    PreconditionFailed,
    Retry,
)

BY_CODE: Mapping[str, type[EftError]] = {
    # Refused under load, or for the moment. Most come as 503 or 500 anyway; some also as 4xx or inside a 200.
    "SlowDown": Retry,
    "Throttling": Retry,
    "ThrottlingException": Retry,
    "TooManyRequests": Retry,
    "RequestLimitExceeded": Retry,
    "BandwidthLimitExceeded": Retry,
    "ServiceUnavailable": Retry,
    "InternalError": Retry,
    "RequestTimeout": Retry,  # 400: we were too slow in sending
    "RequestTimeTooSkewed": Retry,  # 403: signed too long ago, in a process that was frozen or starved
    "ExpiredToken": Retry,  # 400: this process' credentials have expired; another process has fresh ones
    "IncompleteBody": Retry,
    "KMS.ThrottlingException": Retry,
    "KMS.KMSInternalException": Retry,
    "KMS.DependencyTimeoutException": Retry,
    "OperationAborted": Retry,  # 409: a conflicting operation is in progress
    "ConditionalRequestConflict": Conflict,  # 409: a concurrent write to this key
    "InvalidBucketState": Permanent,  # 409, but a state that lasts
    "NotImplemented": Permanent,  # 501, but for good
    "NoSuchKey": NotFound,
    "NoSuchVersion": NotFound,
    "NoSuchBucket": NoSuchBucket,
    "NoSuchUpload": NoSuchUpload,
    "InvalidObjectState": Archived,  # 403: Glacier classes, and Intelligent-Tiering's archive tiers
    "ObjectNotInActiveTierError": Archived,  # 403: CopyObject's code for the same
    # Status 400, but the cause is a key policy or a disabled key.
    "KMS.DisabledException": Denied,
    "KMS.NotFoundException": Denied,
    "KMS.KMSInvalidStateException": Denied,
}

BY_STATUS: Mapping[int, type[EftError]] = {
    401: Denied,
    403: Denied,
    404: NotFound,
    405: NotFound,  # MethodNotAllowed: a delete marker is there
    409: Retry,
    412: PreconditionFailed,
    429: Retry,
}

BY_EXCEPTION: tuple[tuple[type[Exception], type[EftError]], ...] = (
    # Refused before anything was sent.
    (ParamValidationError, Permanent),
    (NoCredentialsError, Denied),
    (PartialCredentialsError, Denied),
    (CredentialRetrievalError, Retry),
    # The answer ended early, so the service does answer.
    (ResponseStreamingError, Retry),
    (IncompleteReadError, Retry),
    # No connection, TLS failures, timeouts, connections closed early: S3 may have carried the request out. botocore has
    # two families of them.
    (HTTPClientError, NoAnswer),
    (BotocoreConnectionError, NoAnswer),
    # The answer was damaged in transit.
    (FlexibleChecksumError, Retry),
    (ResponseParserError, Retry),
)


def translate(error: Exception) -> EftError:
    """Return our error for one of the SDK's. This is the one place where S3's errors become ours. The message stays
    AWS's own."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        code = details.get("Code") or "Unknown"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _kind(code, status)(code, details.get("Message") or "")
    for exception, kind in BY_EXCEPTION:
        if isinstance(error, exception):
            return kind(type(error).__name__, str(error))
    return Permanent(type(error).__name__, str(error))


def _kind(code: str, status: int) -> type[EftError]:
    kind = BY_CODE.get(code) or BY_STATUS.get(status)
    if kind is not None:
        return kind
    # A 200 that carries an error in its body reaches us as a 500 (botocore rewrites the status).
    return Retry if status >= 500 else Permanent


@contextmanager
def translating() -> Iterator[None]:
    """Translate the SDK's errors that the block raises. Every call to S3, and every read of its body, is made inside
    one."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise translate(error) from error
