"""Call a running gateway's control endpoints."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

_TIMEOUT_S = 10.0
# A proxy named in the environment must not be asked about 127.0.0.1.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ControlError(RuntimeError):
    """The gateway refused. The message holds its answer."""


def control(aws_url: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """Send a control request and return the parsed answer. `path` is without /_gateway/. Raises ControlError if
    refused."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{aws_url}/_gateway/{path}", data=data, method=method)
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        reason = error.read().decode(errors="replace")
        raise ControlError(f"{method} /_gateway/{path}: {error.code} {reason}") from error
