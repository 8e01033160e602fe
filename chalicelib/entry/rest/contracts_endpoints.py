"""Describe what the operations on endpoints and on the audit promise."""

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest import endpoints, requests
from chalicelib.entry.rest.auth import ADMINISTER, READ, WRITE
from chalicelib.entry.rest.contract import CATALOG, Contract, Success

BAD_BODY = (
    ErrorCode.NO_BODY,
    ErrorCode.NOT_JSON,
    ErrorCode.NOT_AN_OBJECT,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.BODY_TOO_LARGE,
)
CHANGED = (ErrorCode.INVALID_CONDITION, ErrorCode.ALREADY_THERE, ErrorCode.HAS_CHANGED)

CONTRACTS_OF_ENDPOINTS = (
    Contract(
        "GET",
        "/endpoints",
        "listEndpoints",
        CATALOG,
        "What you may name in a job",
        scope=READ,
        successes=(Success(200, endpoints.EndpointList, "All of your tenant's."),),
    ),
    Contract(
        "GET",
        "/endpoints/{endpoint_id}",
        "getEndpoint",
        CATALOG,
        "One endpoint",
        scope=READ,
        description="With its ETag, unless it came with the deployment.",
        successes=(Success(200, endpoints.Endpoint, "The endpoint."),),
        problems=(ErrorCode.NO_SUCH_ENDPOINT,),
    ),
    Contract(
        "PUT",
        "/endpoints/{endpoint_id}",
        "putEndpoint",
        CATALOG,
        "Register an endpoint, or change it",
        scope=ADMINISTER,
        description="The name is yours to choose: 1 to 64 letters, digits, dots, dashes and underscores. The location "
        "is tried first: whose the bucket says it is, where it is, listing, reading, writing. An endpoint stays the "
        "location that it is: what can change is how it may be used. With `If-None-Match: *` only a new one is made; "
        "with `If-Match` only what you have seen is changed. Sending the same again changes nothing.",
        body=endpoints.EndpointRequest,
        conditional=True,
        successes=(
            Success(
                201, endpoints.Endpoint, "Registered: jobs may name it, in the other Region within seconds.", ("ETag",)
            ),
            Success(200, endpoints.Endpoint, "Changed, or as it was.", ("ETag",)),
        ),
        problems=(
            *BAD_BODY,
            *CHANGED,
            ErrorCode.INVALID_NAME,
            ErrorCode.PREFIX_NOT_A_FOLDER,
            ErrorCode.IN_USE,
            ErrorCode.TOO_MANY_REGISTERED,
            ErrorCode.DECLARED_BY_DEPLOYMENT,
            ErrorCode.ENDPOINT_UNUSABLE,
        ),
    ),
    Contract(
        "DELETE",
        "/endpoints/{endpoint_id}",
        "removeEndpoint",
        CATALOG,
        "Remove an endpoint",
        scope=ADMINISTER,
        description="Jobs that were accepted go on. A feed or a schedule that names it must be removed first.",
        conditional=True,
        successes=(Success(204, None, "Removed."),),
        problems=(*CHANGED, ErrorCode.NO_SUCH_ENDPOINT, ErrorCode.IN_USE, ErrorCode.DECLARED_BY_DEPLOYMENT),
    ),
    Contract(
        "POST",
        "/endpoints/{endpoint_id}/check",
        "checkEndpoint",
        CATALOG,
        "Try an endpoint now",
        scope=WRITE,
        description="The same trial as at registration. It leaves nothing behind.",
        successes=(Success(200, endpoints.EndpointCheck, "What was found."),),
        problems=(ErrorCode.NO_SUCH_ENDPOINT,),
    ),
    Contract(
        "GET",
        "/audit",
        "listChanges",
        CATALOG,
        "Who changed what",
        scope=ADMINISTER,
        description="Every change of what your tenant has registered, the newest first.",
        query=requests.PageQuery,
        successes=(Success(200, endpoints.AuditList, "A page of them."),),
        problems=(ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CURSOR),
    ),
)
