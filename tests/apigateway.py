"""What API Gateway answers by itself, as template.yaml tells it to."""

import json
import re
from functools import cache
from typing import Any

from tests import template

REQUEST_ID = "b6f0f1a2-6c0c-4c35-9b1b-0a4f2f0f6a11"


@cache
def responses() -> dict[str, Any]:
    """The gateway responses, by type."""
    found: dict[str, Any] = template.load()["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    return found


def answer(of: dict[str, Any], message: str = "Forbidden") -> tuple[int, dict[str, str], str]:
    """Status (0 where API Gateway decides), headers and body. A template's variables are replaced and that is all:
    nothing in it is evaluated (API Gateway developer guide, "Gateway responses")."""
    values = {"context.requestId": REQUEST_ID, "context.error.messageString": json.dumps(message)}
    body = re.sub(r"\$([\w.]*\w)", lambda found: values[found[1]], of["ResponseTemplates"]["application/json"])
    headers = {name: value.strip("'") for name, value in of["ResponseParameters"]["Headers"].items()}
    return int(of.get("StatusCode", 0)), headers, body
