"""Find the identity behind a request, which S3 shows as the initiator of a multipart upload."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from local.gateway.classify import Call
from local.gateway.upstream import CallerError, Upstream

_LOG = logging.getLogger("callers")
_APP = re.compile(r"\bapp/(\S+)")


class Callers:
    """Identities, asked of the emulator once for each access key and function.

    With AUTH=true a function has credentials of its own and STS knows its role. Otherwise all functions use the
    account's credentials, and each names itself in its user agent (the SDK's app id, which `local/function_site` sets).
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._arns: dict[tuple[str, str], str] = {}

    async def arn(self, call: Call, headers: Mapping[str, str]) -> str:
        """Return the caller's ARN, empty if the emulator doesn't say."""
        app = _APP.search(headers.get("User-Agent", ""))
        identity = (call.caller, app.group(1)) if app and call.caller != "aws" else ("", call.access_key)
        if identity not in self._arns:
            self._arns[identity] = await self._ask(*identity, call.access_key)
        return self._arns[identity]

    async def _ask(self, region: str, function: str, access_key: str) -> str:
        if region:
            role = await self._upstream.role_of_function(region, function)
            if role:
                account, _, path = role.replace(":iam:", ":sts:", 1).partition(":role/")
                return f"{account}:assumed-role/{path.rpartition('/')[2]}/{function}"
        try:
            return await self._upstream.caller_arn(access_key)
        except CallerError as error:
            _LOG.warning("%s", error)
            return ""
