"""Translate the errors of DynamoDB, SQS and EventBridge once into errors that are sorted by what the caller does about
them.

Sources: DynamoDB developer guide, "Error handling"; SQS and EventBridge API references, "Common errors".
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from chalicelib.adapters import s3_errors
from chalicelib.core.errors import Denied, EftError, Permanent, Retry

_RETRYABLE = frozenset(
    {
        # Most of these come with status 400.
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TransactionConflictException",
        "LimitExceededException",
        "KmsThrottled",
        # These credentials have expired; another process has fresh ones.
        "ExpiredToken",
        "ExpiredTokenException",
    }
)


def translate(error: Exception) -> EftError:
    """Return our error for one of the SDK's. The message stays AWS's own."""
    if not isinstance(error, ClientError):
        return s3_errors.translate(error)  # Connections, credentials, damaged answers: the same for every service.
    details = error.response.get("Error", {})
    code, message = details.get("Code") or "Unknown", details.get("Message") or ""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _RETRYABLE or status >= 500 or status == 429:
        return Retry(code, message)
    if "AccessDenied" in code or status in (401, 403):
        return Denied(code, message)
    return Permanent(code, message)


@contextmanager
def translating() -> Iterator[None]:
    """Translate the SDK's errors that the block raises. Every call is made inside one."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise translate(error) from error
