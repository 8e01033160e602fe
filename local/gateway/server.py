"""Serve one request from its first byte to its last: control, cuts, faults, rules, counting, answering."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from local.gateway import responding
from local.gateway.apis import API_CALLER, REGION_API_PREFIX, Apis, now_ms
from local.gateway.classify import Call, classify
from local.gateway.control import PREFIX, Control
from local.gateway.cuts import Fate
from local.gateway.errors import error_answer
from local.gateway.exchange import Answer, Exchange
from local.gateway.faults import (
    NO_FAULT,
    CutAnswer,
    Dribble,
    DropAnswer,
    DropRequest,
    Error,
    ErrorIn200,
    Hang,
    Injection,
)
from local.gateway.hanging import Hanging
from local.gateway.rules import Rules

_LOG = logging.getLogger("gateway")
SOURCE_TIMEOUT_S = 5.0
"""Time, in seconds, after which S3 gives up on a copy's source that doesn't answer it. AWS doesn't document the real
time. The point is that the copy ends in an error: the S3 that the client talks to works, so it answers."""


class _Dropped(Exception):
    """The client gets no answer. `status` is what the emulator had answered, None if it was never asked."""

    def __init__(self, status: int | None) -> None:
        super().__init__()
        self.status = status


class _Hung(_Dropped):
    """The client gets no answer, and its connection stays open while `held()` is true."""

    def __init__(self, status: int | None, is_held: Callable[[], bool]) -> None:
        super().__init__(status)
        self.held = is_held


class Gateway:
    def __init__(self, control: Control, apis: Apis, rules: Rules, hanging: Hanging) -> None:
        self._control = control
        self._apis = apis
        self._rules = rules
        self._hanging = hanging

    async def serve(self, caller: str, request: web.BaseRequest) -> web.StreamResponse:
        if caller == "aws" and request.raw_path.startswith(PREFIX):
            return await self._serve_control(request)
        call, region = self._understand(caller, request)
        try:
            answer, injection = await self._under_faults(call, region, request)
        except _Dropped as dropped:
            self._control.counters.count(call, dropped.status)
            if isinstance(dropped, _Hung):
                await self._hanging.hold(request, dropped.held)
            return responding.hang_up(request)
        except (aiohttp.ClientError, ConnectionError) as error:
            # The emulator is gone, or the client is. To the client, if it is still there, this looks like a dead
            # server.
            _LOG.warning("%s %s %s/%s broke off: %r", call.caller, call.operation, call.bucket, call.key, error)
            self._control.counters.count(call, None)
            return responding.hang_up(request)
        self._control.counters.count(call, answer.status)
        try:
            match injection.action:
                case CutAnswer():
                    return await responding.respond_half(request, answer)
                case Dribble(over_ms=over_ms):
                    return await responding.respond_slowly(request, answer, over_ms / 1000)
            return await responding.respond(request, answer)
        except (aiohttp.ClientError, ConnectionError):
            return responding.hang_up(request)

    def _understand(self, caller: str, request: web.BaseRequest) -> tuple[Call, str]:
        """Classify the request. Return it, and for an API name the Region that answers."""
        if caller == API_CALLER or caller.startswith(REGION_API_PREFIX):
            region = self._apis.region_of(caller)
            path = request.raw_path.partition("?")[0]
            return Call(caller, "execute-api", request.method, region, "", path, "", {}), region
        call = classify(caller, request.method, request.raw_path, request.headers)
        return call, ""

    async def _under_faults(self, call: Call, api_region: str, request: web.BaseRequest) -> tuple[Answer, Injection]:
        copy_source = request.headers.get("x-amz-copy-source", "")

        def fate() -> Fate:
            return self._control.cuts.fate(call, api_region, copy_source)

        cut = await self._meet(fate, None)
        if cut is not None:
            return cut, NO_FAULT
        injection = self._control.faults.decide(call, now_ms())
        if injection.delay_ms:
            await asyncio.sleep(injection.delay_ms / 1000)
        injected = self._inject(call, injection, request.method)
        if injected is not None:
            return injected, injection
        answer = await self._carry_out(call, api_region, request)
        try:
            # The Region was cut while the request was in progress, so the answer can't get back.
            cut = await self._meet(fate, answer.status)
            if isinstance(injection.action, DropAnswer):
                raise _Dropped(answer.status)
        except _Dropped:
            answer.close()
            raise
        if cut is not None:
            answer.close()
            return cut, NO_FAULT
        if answer.ok:
            self._control.cuts.learn(call)
        return answer, injection

    async def _meet(self, fate: Callable[[], Fate], status: int | None) -> Answer | None:
        """Return a cut's answer to a request that the emulator has answered with `status`, or not yet. None if there is
        no cut. Raises _Dropped if there is to be no answer."""
        match fate():
            case Fate.CLOSES:
                raise _Dropped(status)
            case Fate.HANGS:
                raise _Hung(status, lambda: fate() is Fate.HANGS)
            case Fate.SOURCE_HANGS:
                await asyncio.sleep(SOURCE_TIMEOUT_S)
                headers, body = error_answer("s3", 500, "InternalError", "The source of the copy does not answer.")
                return Answer(500, headers, body)
        return None

    def _inject(self, call: Call, injection: Injection, method: str) -> Answer | None:
        """Return the answer that a fault gives instead of carrying the request out; None if it is to be carried out.
        Raises _Dropped if there is to be no answer."""
        match injection.action:
            case DropRequest():
                raise _Dropped(None)
            case Hang():
                raise _Hung(None, lambda: self._control.faults.hangs(injection.rule, now_ms()))
            case Error(status=status, code=code, message=message):
                headers, body = error_answer(call.service, status, code, message, f"/{call.bucket}/{call.key}")
                return Answer(status, headers, b"" if method == "HEAD" else body)
            case ErrorIn200(code=code):
                headers, body = error_answer("s3", 200, code, "We encountered an internal error. Please try again.")
                return Answer(200, headers, body)
        return None

    async def _carry_out(self, call: Call, api_region: str, request: web.BaseRequest) -> Answer:
        exchange = Exchange(call, request)
        if not api_region:
            return await self._rules.carry_out(exchange)
        if api_region not in self._apis.paths:
            message = f"No API of {api_region} is known: PUT {PREFIX}apis on the aws listener first."
            return Answer(
                503, CIMultiDict({"Content-Type": "application/json"}), json.dumps({"error": message}).encode()
            )
        return await self._apis.forward(exchange, api_region)

    async def _serve_control(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, raw_query = request.raw_path.partition("?")
        body = await request.content.read()
        status, reply = self._control.answer(request.method, path, dict(parse_qsl(raw_query)), body)
        return web.Response(status=status, body=reply, headers={"Content-Type": "application/json"})
