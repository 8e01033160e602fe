"""Send requests to the emulator: clients' requests, byte for byte, and the gateway's own small ones."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from local.gateway.classify import Call
from local.gateway.exchange import BUFFERED_MAX_BYTES, Answer, Exchange

# The emulator closes a connection after 75 idle seconds. The pool closes it earlier, so that no request is ever written
# into a connection that is being closed: it would be lost, or sent twice.
_KEEPALIVE_SECONDS = 30.0
_HEADER_MAX_BYTES = 128 * 1024

# Headers for which aiohttp would otherwise invent a value that the client never sent.
_NO_INVENTED_HEADERS = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
_ANSWER_HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade")
_ROOT_KEY = "test"
"""The emulator's root caller, whose signature it never checks."""
_NOBODY = Call("", "", "", "", "", "", "", {})


class CallerError(RuntimeError):
    """The emulator does not say who owns an access key."""


class Upstream:
    """One pool of connections to the emulator. It follows no redirects, stores no cookies and decompresses nothing."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self.checks_signatures = False
        """True if the emulator runs with AUTH=true. Then requests that the gateway had to change are sent on as its
        root."""

    @property
    def authority(self) -> str:
        return self._base.partition("://")[2]

    async def open(self) -> None:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
            auto_decompress=False,
            skip_auto_headers=_NO_INVENTED_HEADERS,
            max_line_size=_HEADER_MAX_BYTES,
            max_field_size=_HEADER_MAX_BYTES,
            read_bufsize=1024 * 1024,
        )
        # aiohttp resends "idempotent" requests, PUT among them, when a kept connection breaks. A second PutObject makes
        # a second version, and a second conditional one gets a 412 for a write that succeeded.
        session._retry_connection = False
        self._session = session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def detect_auth(self) -> None:
        answer = await self.get("/_ministack/health", _NOBODY)
        self.checks_signatures = b'"auth": "enabled"' in answer.body

    async def default_account(self) -> str:
        """Return the account of callers whose access key names no account."""
        return (await self.caller_arn(_ROOT_KEY)).split(":")[4]

    async def caller_arn(self, access_key: str) -> str:
        """Return the ARN behind this access key, as STS reports it. Raises CallerError if it doesn't."""
        headers = {"Authorization": _unsigned("us-gov-west-1", "sts", access_key)}
        answer = await self.get("/?Action=GetCallerIdentity&Version=2011-06-15", _NOBODY, headers)
        match = re.search(rb"<Arn>([^<]+)</Arn>", answer.body)
        if match is None:
            raise CallerError(f"{self._base} does not say who {access_key} is: {answer.status} {answer.body[:200]!r}")
        return match.group(1).decode()

    async def role_of_function(self, region: str, function: str) -> str:
        """Return the ARN of a function's role; empty if there is no such function."""
        headers = {"Authorization": _unsigned(region, "lambda")}
        answer = await self.get(f"/2015-03-31/functions/{quote(function)}/configuration", _NOBODY, headers)
        return str(json.loads(answer.body)["Role"]) if answer.ok else ""

    async def dynamodb(self, region: str, operation: str, request: Mapping[str, object]) -> Answer:
        headers = {
            "Authorization": _unsigned(region, "dynamodb"),
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        return await self._own("POST", "/", _NOBODY, headers, json.dumps(request).encode())

    async def send(self, exchange: Exchange, *, buffered: bool = False) -> Answer:
        """Send the client's request as it is. The answer is read whole if it is short or `buffered`, else streamed."""
        await exchange.load_body()
        if exchange.rewritten and self.checks_signatures:
            exchange.headers["Authorization"] = _authorization(exchange.call)
            exchange.headers.popall("x-amz-security-token", None)
        response = await self._request(exchange.method, exchange.target, exchange.headers, exchange.body)
        length = response.content_length
        short = length is not None and length <= BUFFERED_MAX_BYTES
        headers = CIMultiDict(response.headers)
        for name in _ANSWER_HOP_BY_HOP:
            headers.popall(name, None)
        if buffered or short or exchange.method == "HEAD" or response.status in (204, 304):
            async with response:
                return Answer(response.status, headers, await response.read())
        return Answer(response.status, headers, stream=response)

    async def head_object(self, call: Call) -> Answer:
        """Send HEAD for the current version of the key that `call` is about."""
        return await self._own("HEAD", object_target(call.bucket, call.key), call)

    async def get(self, target: str, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
        return await self._own("GET", target, call, headers)

    async def head(self, target: str, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
        return await self._own("HEAD", target, call, headers)

    async def put(self, target: str, call: Call, body: bytes) -> Answer:
        return await self._own("PUT", target, call, body=body)

    async def delete(self, target: str, call: Call) -> Answer:
        return await self._own("DELETE", target, call)

    @asynccontextmanager
    async def reading(
        self, target: str, call: Call, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a GET of the gateway's own, for a body that may be too long to hold in memory."""
        async with await self._request("GET", target, _own_headers(call, headers), None) as response:
            yield response

    async def _own(
        self, method: str, target: str, call: Call, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        async with await self._request(method, target, _own_headers(call, headers or {}), body) as response:
            return Answer(response.status, CIMultiDict(response.headers), await response.read())

    async def _request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        assert self._session is not None, "open() comes first"
        url = URL(self._base + target, encoded=True)
        return await self._session.request(method, url, headers=headers, data=body, allow_redirects=False)


def _unsigned(region: str, service: str, access_key: str = _ROOT_KEY) -> str:
    """Return an Authorization header in Signature Version 4's form, with a signature that nobody checks."""
    scope = f"{access_key}/20260101/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


def object_target(bucket: str, key: str, **query: str) -> str:
    """Return the request target of an object, in an encoding that preserves any key."""
    return f"/{bucket}/{quote(key, safe='/', errors='surrogateescape')}" + (f"?{urlencode(query)}" if query else "")


def _own_headers(call: Call, headers: Mapping[str, str]) -> dict[str, str]:
    return {"Authorization": _authorization(call), **headers}


def _authorization(call: Call) -> str:
    """Return an Authorization header for a caller of the same account, without a signature to check.

    It has Signature Version 2's form, since that names no Region: the emulator refuses a Region that isn't the
    bucket's. An access key of 12 digits names an account of its own there.
    """
    is_account = len(call.access_key) == 12 and call.access_key.isdigit()
    return f"AWS {call.access_key if is_account else _ROOT_KEY}:gateway"
