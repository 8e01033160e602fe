"""Give the answers that API Gateway makes by itself, as template.yaml defines them."""

import json
import re
from functools import cache
from typing import Any

from tests import template

REQUEST_ID = "b6f0f1a2-6c0c-4c35-9b1b-0a4f2f0f6a11"


@cache
def responses() -> dict[str, Any]:
    """Return the gateway responses, by type."""
    responses: dict[str, Any] = template.load()["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    return responses


def answer(response: dict[str, Any], message: str = "Forbidden") -> tuple[int, dict[str, str], str]:
    """Return status (0 where API Gateway decides), headers and body. The variables of a template are replaced, and
    nothing else in it is evaluated (API Gateway developer guide, "Gateway responses")."""
    values = {"context.requestId": REQUEST_ID, "context.error.messageString": json.dumps(message)}
    body = re.sub(
        r"\$([\w.]*\w)", lambda variable: values[variable[1]], response["ResponseTemplates"]["application/json"]
    )
    headers = {name: value.strip("'") for name, value in response["ResponseParameters"]["Headers"].items()}
    return int(response.get("StatusCode", 0)), headers, body
