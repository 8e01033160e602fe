"""One request from its first byte to its last: control, cuts, faults, rules, counting, answering."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from local.gateway.apis import API_CALLER, REGION_API_PREFIX, Apis
from local.gateway.classify import Call, classify
from local.gateway.control import PREFIX, Control
from local.gateway.errors import error_answer
from local.gateway.exchange import BUFFERED_MAX_BYTES, Answer, Exchange
from local.gateway.faults import DropAnswer, DropRequest, Error, ErrorIn200
from local.gateway.rules import Rules

_LOG = logging.getLogger("gateway")


class _Dropped(Exception):
    """The client gets no answer. `status`: what the emulator had answered, None if it was never asked."""

    def __init__(self, status: int | None) -> None:
        super().__init__()
        self.status = status


class Gateway:
    def __init__(self, control: Control, apis: Apis, rules: Rules) -> None:
        self._control = control
        self._apis = apis
        self._rules = rules

    async def serve(self, caller: str, request: web.BaseRequest) -> web.StreamResponse:
        if caller == "aws" and request.raw_path.startswith(PREFIX):
            return await self._serve_control(request)
        call, region = self._understand(caller, request)
        try:
            answer = await self._under_faults(call, region, request)
        except _Dropped as dropped:
            self._control.counters.count(call, dropped.status)
            return _hang_up(request)
        except (aiohttp.ClientError, ConnectionError) as error:
            # The emulator is gone, or the client is. Whoever is still there sees what a dead server looks like.
            _LOG.warning("%s %s %s/%s broke off: %r", call.caller, call.operation, call.bucket, call.key, error)
            self._control.counters.count(call, None)
            return _hang_up(request)
        self._control.counters.count(call, answer.status)
        try:
            return await _respond(request, answer)
        except (aiohttp.ClientError, ConnectionError):
            return _hang_up(request)

    def _understand(self, caller: str, request: web.BaseRequest) -> tuple[Call, str]:
        """What is asked for, and, for an API name, the Region that answers."""
        if caller == API_CALLER or caller.startswith(REGION_API_PREFIX):
            region = self._apis.region_of(caller)
            path = request.raw_path.partition("?")[0]
            return Call(caller, "execute-api", request.method, region, "", path, "", {}), region
        call = classify(caller, request.method, request.raw_path, request.headers)
        return call, ""

    async def _under_faults(self, call: Call, api_region: str, request: web.BaseRequest) -> Answer:
        copy_source = request.headers.get("x-amz-copy-source", "")
        if self._is_cut(call, api_region, copy_source):
            raise _Dropped(None)
        verdict = self._control.faults.decide(call)
        if verdict.delay_ms:
            await asyncio.sleep(verdict.delay_ms / 1000)
        match verdict.action:
            case DropRequest():
                raise _Dropped(None)
            case Error(status=status, code=code, message=message):
                headers, body = error_answer(call.service, status, code, message, f"/{call.bucket}/{call.key}")
                return Answer(status, headers, b"" if request.method == "HEAD" else body)
            case ErrorIn200(code=code):
                headers, body = error_answer("s3", 200, code, "We encountered an internal error. Please try again.")
                return Answer(200, headers, body)
        answer = await self._carry_out(call, api_region, request)
        # Cut while it was under way: the answer has no way back.
        if isinstance(verdict.action, DropAnswer) or self._is_cut(call, api_region, copy_source):
            answer.close()
            raise _Dropped(answer.status)
        if answer.ok:
            self._control.cuts.learn(call)
        return answer

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

    def _is_cut(self, call: Call, api_region: str, copy_source: str) -> bool:
        return api_region in self._control.cuts.regions or self._control.cuts.drops(call, copy_source)

    async def _serve_control(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, raw_query = request.raw_path.partition("?")
        body = await request.content.read()
        status, reply = self._control.answer(request.method, path, dict(parse_qsl(raw_query)), body)
        return web.Response(status=status, body=reply, headers={"Content-Type": "application/json"})


async def _respond(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    response: web.StreamResponse
    if answer.stream is None:
        response = web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        await _settle_unread_body(request, response)
        return response
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    async with answer.stream as source:
        await response.prepare(request)
        async for chunk in source.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


async def _settle_unread_body(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Answered without looking at the body: then this connection can't carry another request unless it is read.

    A client that asked for 100 Continue won't send it now, and would have its next request taken for it.
    """
    if request.content.is_eof():
        return
    length = request.content_length
    if length is None or length > BUFFERED_MAX_BYTES or "Expect" in request.headers:
        response.force_close()
    else:
        await request.content.read()


def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
