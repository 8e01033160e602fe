"""Make pre-signed links to objects in memory. Anybody who has a link can follow it."""

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from chalicelib.core.objects import Bucket
from simulation.memory.state import StoreState

HOST = "https://s3.memory.example"
_SECRET = "the secret key of nobody"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer to a GET without credentials. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def sign(bucket: Bucket, key: str, expires_ms: int, file_name: str, content_type: str) -> str:
    path = f"/{bucket.name}/{quote(key, safe='/')}"
    query = urlencode({"expires": expires_ms, "name": file_name, "type": content_type})
    return f"{HOST}{path}?{query}&signature={_signature(path, query)}"


def follow(store: StoreState, url: str) -> Fetched:
    """GET a link without credentials."""
    parts = urlsplit(url)
    query, _, signature = parts.query.rpartition("&signature=")
    parameters = {name: values[0] for name, values in parse_qs(query).items()}
    if signature != _signature(parts.path, query) or int(parameters["expires"]) <= store.clock.now_ms():
        return Fetched(403, {}, b"")
    bucket, _, key = parts.path[1:].partition("/")
    version = store.current(Bucket(bucket, ""), unquote(key))
    if version is None:
        return Fetched(404, {}, b"")
    disposition = f'attachment; filename="{parameters["name"]}"'
    return Fetched(200, {"content-type": parameters["type"], "content-disposition": disposition}, version.body)


def _signature(path: str, query: str) -> str:
    return hashlib.sha256(f"{_SECRET}{path}?{query}".encode()).hexdigest()
