"""Hold faults for answers that are not as described. Each has a part of the name of the failure that must report it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.entry.api import Reply
from tests.fuzz.application import Spoil


def _changed(status: int, change: Callable[[Reply], Reply]) -> Spoil:
    return lambda reply: change(reply) if reply.status == status else reply


def _body(change: Callable[[Any], object]) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, body=json.dumps(change(reply.json)).encode())


def _header(name: str, value: str) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, headers={**reply.headers, name: value})


BARE = {"content-type": "application/json"}
UNKNOWN = {"type": "urn:eft:problem:Unheard"}
FAULTS = {
    "a crash": (_changed(202, lambda reply: replace(reply, status=500)), "Server error"),
    "an unknown status": (_changed(202, lambda reply: replace(reply, status=299)), "Undocumented status code"),
    "another type": (_changed(404, _header("content-type", "text/plain")), "Undocumented Content-Type"),
    "no JSON": (_changed(202, lambda reply: replace(reply, body=b"{")), "JSON deserialization error"),
    "an unknown problem": (_changed(404, _body(lambda body: {**body, **UNKNOWN})), "Response violates schema"),
    "no id": (_changed(201, _body(lambda body: {**body, "id": None})), "Response violates schema"),
    "no location": (_changed(201, lambda reply: replace(reply, headers=BARE)), "Missing required response headers"),
    "all accepted": (_changed(400, lambda _: Reply(200, BARE, b"{}")), "Schema-violating request accepted"),
}
