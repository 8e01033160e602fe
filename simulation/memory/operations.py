"""Define S3's operations by AWS's own names. Requests are counted, denied and made to fail by them."""

from enum import StrEnum


class Operation(StrEnum):
    HEAD = "HeadObject"
    LIST = "ListObjectsV2"
    GET = "GetObject"
    TAGS = "GetObjectTagging"
    ATTRIBUTES = "GetObjectAttributes"
    PUT = "PutObject"
    DELETE = "DeleteObject"
    COPY = "CopyObject"
    CREATE_UPLOAD = "CreateMultipartUpload"
    UPLOAD_PART_COPY = "UploadPartCopy"
    LIST_PARTS = "ListParts"
    COMPLETE = "CompleteMultipartUpload"
    ABORT = "AbortMultipartUpload"
    LIST_UPLOADS = "ListMultipartUploads"
    HEAD_BUCKET = "HeadBucket"
    BUCKET_VERSIONING = "GetBucketVersioning"


class Action(StrEnum):
    """Actions that a policy may refuse."""

    READ = "read"
    """HEAD, GET, tags, and being the source of a copy."""
    WRITE = "write"
    LIST = "list"
    VERSIONING = "versioning"
    """Asking whether a bucket keeps versions."""


ACTIONS: dict[Operation, Action] = {
    Operation.HEAD: Action.READ,
    Operation.GET: Action.READ,
    Operation.TAGS: Action.READ,
    Operation.ATTRIBUTES: Action.READ,
    Operation.LIST: Action.LIST,
    Operation.LIST_PARTS: Action.LIST,
    Operation.LIST_UPLOADS: Action.LIST,
    Operation.HEAD_BUCKET: Action.LIST,
    Operation.BUCKET_VERSIONING: Action.VERSIONING,
    Operation.PUT: Action.WRITE,
    Operation.DELETE: Action.WRITE,
    Operation.COPY: Action.WRITE,
    Operation.CREATE_UPLOAD: Action.WRITE,
    Operation.UPLOAD_PART_COPY: Action.WRITE,
    Operation.COMPLETE: Action.WRITE,
    Operation.ABORT: Action.WRITE,
}
