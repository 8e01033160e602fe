"""Make requests as API Gateway hands them to the function, where Chalice's test client leaves a detail out."""

import base64
from typing import Any

from app import app
from tests.entry.api import Reply

REQUEST_ID = "0f1e2d3c"


def event(method: str, resource: str, body: str | None, *, encoded: bool = False, **more: Any) -> dict[str, Any]:
    """Return a REST API's proxy event (API Gateway developer guide, "Input format of a Lambda function for proxy
    integration"). It comes by the Region's own name, with the stage in the path. The authorizer has let it through."""
    context = {
        "httpMethod": method,
        "resourcePath": resource,
        "path": f"/api{resource}",
        "stage": "api",
        "requestId": REQUEST_ID,
        "identity": {"sourceIp": "192.0.2.1"},
        "authorizer": {"tenant": "acme", "scopes": "read write", "principalId": "ann"},
    }
    return {
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "Accept": "*/*"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "Accept": ["*/*"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": body,
        "isBase64Encoded": encoded,
        "requestContext": {**context, **more},
    }


def invoke(method: str, resource: str, body: bytes | None = None, *, encoded: bool = False) -> Reply:
    """Send a request to the API that is in use."""
    text = None if body is None else base64.b64encode(body).decode() if encoded else body.decode()
    return answer(event(method, resource, text, encoded=encoded))


def answer(raw: dict[str, Any]) -> Reply:
    response = app(raw, None)
    assert not response.get("isBase64Encoded", False)
    headers = {name.lower(): value for name, value in response["headers"].items()}
    return Reply(response["statusCode"], headers, response["body"].encode())
