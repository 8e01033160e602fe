"""Make an environment such as Lambda gives, for the world of `simulation.memory`."""

import json
from typing import Any

EAST, WEST = "us-gov-east-1", "us-gov-west-1"


def endpoint(name: str, bucket: str, region: str, access: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "tenant": "acme", "bucket": bucket, "region": region, "access": access, **more}


def feed(name: str, source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "tenant": "acme", "source": source, "target": target, **more}


ENDPOINTS = [
    endpoint("source-west", "source-west", WEST, "read", prefix="in/"),
    endpoint("source-east", "source-east", EAST, "read", prefix="in/"),
    endpoint("target-west", "target-west", WEST, "write", prefix="out/"),
    endpoint("target-east", "target-east", EAST, "read-write", prefix="out/"),
    endpoint("theirs", "target-west", WEST, "read-write", prefix="theirs/", tenant="other"),
]
FEEDS = [
    feed("west-to-east", "source-west", "target-east"),
    feed("their-feed", "theirs", "theirs-too", tenant="other"),
]
OWN_ROLES = [f"arn:aws-us-gov:iam::123456789012:role/eft-{name}" for name in ("copy", "api")]
THEIRS_TOO = endpoint("theirs-too", "target-east", EAST, "write", prefix="theirs/", tenant="other")


def environ(**changes: str | None) -> dict[str, str]:
    """Return the environment of a function in West. A change replaces a variable, or removes it if it is None."""
    queues = ("intake", "split", "copy", "verify", "notify", "notify-dead-letters")
    right: dict[str, str] = {
        "PATH": "/usr/bin",
        "AWS_REGION": WEST,
        "EFT_PEER_REGION": EAST,
        "EFT_ACCOUNT": "123456789012",
        "EFT_TABLE": "eft",
        "EFT_EVENT_BUS": "eft",
        "EFT_OWN_ROLES": json.dumps(OWN_ROLES),
        "EFT_CONTROL_BUCKETS": json.dumps({WEST: "control-west", EAST: "control-east"}),
        "EFT_QUEUE_URLS": json.dumps({name: f"https://queues.example/{name}" for name in queues}),
        "EFT_ENDPOINTS": json.dumps([*ENDPOINTS, THEIRS_TOO]),
        "EFT_FEEDS": json.dumps(FEEDS),
        "EFT_POLICY": "{}",
        "EFT_PRICES": "{}",
        "EFT_AUTH": '{"issuers": []}',
        "EFT_WEBHOOK_NETWORKS": "[]",
    }
    given = {**right, **changes}
    return {name: value for name, value in given.items() if value is not None}
