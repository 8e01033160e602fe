"""Serve the gateway's own endpoints under /_gateway/, on the `aws` listener: counters, faults, cuts, routing,
replication."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.gateway.apis import Apis, now_ms
from local.gateway.counters import Counters
from local.gateway.cuts import Cuts
from local.gateway.faults import BadRules, Faults, parse_rules
from local.gateway.multipart import Uploads
from local.gateway.replication import BadReplication
from local.gateway.replicator import Replicator

PREFIX = "/_gateway/"


class _Api(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str = Field(pattern="^/")


class _UploadAge(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    upload_id: str = Field(min_length=1)
    age_hours: float = Field(ge=0)


_APIS: TypeAdapter[dict[str, _Api]] = TypeAdapter(dict[str, _Api])

Reply = tuple[int, object]


def _in_words(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors())


@dataclass(frozen=True)
class Control:
    counters: Counters
    faults: Faults
    cuts: Cuts
    apis: Apis
    replicator: Replicator
    uploads: Uploads
    regions: frozenset[str]

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Return status and JSON body."""
        status, reply = self._reply(method, path.removeprefix(PREFIX), query, body)
        return status, json.dumps(reply).encode()

    def _reply(self, method: str, name: str, query: dict[str, str], body: bytes) -> Reply:
        if name.startswith("cut/"):
            return self._cut(method, name.removeprefix("cut/"), query)
        routes: dict[tuple[str, str], Callable[[], Reply]] = {
            ("GET", "health"): lambda: (200, {"status": "ok"}),
            ("GET", "requests"): lambda: (200, self.counters.report()),
            ("DELETE", "requests"): self._reset_counters,
            ("GET", "faults"): lambda: (200, self.faults.report()),
            ("PUT", "faults"): lambda: self._put_faults(body),
            ("DELETE", "faults"): lambda: self._put_faults(b"[]"),
            ("GET", "cut"): lambda: (200, self.cuts.report()),
            ("GET", "apis"): lambda: (200, {region: {"path": path} for region, path in self.apis.paths.items()}),
            ("PUT", "apis"): lambda: self._put_apis(body),
            ("GET", "routing"): lambda: (200, self.apis.router.report(now_ms())),
            ("GET", "replication"): lambda: (200, self.replicator.replication.report(now_ms())),
            ("PUT", "replication"): lambda: self._put_replication(body),
            ("PUT", "uploads/age"): lambda: self._put_upload_age(body),
        }
        route = routes.get((method, name))
        if route is None:
            known_routes = sorted(
                {f"{verb} {PREFIX}{path}" for verb, path in routes} | {f"PUT|DELETE {PREFIX}cut/<region>"}
            )
            return 404, {"error": f"no {method} {PREFIX}{name} here", "known": known_routes}
        return route()

    def _reset_counters(self) -> Reply:
        self.counters.reset()
        return 200, self.counters.report()

    def _put_faults(self, body: bytes) -> Reply:
        try:
            rules = parse_rules(body)
        except BadRules as error:
            return 400, {"error": str(error)}
        self.faults.replace(rules, now_ms())
        return 200, self.faults.report()

    def _put_replication(self, body: bytes) -> Reply:
        try:
            self.replicator.replication.configure(body)
        except BadReplication as error:
            return 400, {"error": str(error)}
        self.replicator.look_again()
        return 200, self.replicator.replication.report(now_ms())

    def _put_upload_age(self, body: bytes) -> Reply:
        try:
            request = _UploadAge.model_validate_json(body)
        except ValidationError as error:
            return 400, {"error": _in_words(error)}
        upload = self.uploads.get(request.upload_id)
        if upload is None:
            return 404, {"error": f"no upload {request.upload_id} was begun through this gateway"}
        upload.older_by_s = request.age_hours * 3600
        return 200, request.model_dump()

    def _put_apis(self, body: bytes) -> Reply:
        try:
            apis = _APIS.validate_json(body)
        except ValidationError as error:
            return 400, {"error": _in_words(error)}
        unknown = sorted(set(apis) - self.regions)
        if unknown:
            return 400, {"error": f"no listener for {', '.join(unknown)}; Regions: {', '.join(sorted(self.regions))}"}
        self.apis.paths = {region: api.path for region, api in apis.items()}
        return 200, {region: api.model_dump() for region, api in apis.items()}

    def _cut(self, method: str, region: str, query: dict[str, str]) -> Reply:
        if region not in self.regions:
            return 400, {"error": f"no such Region: {region}; Regions: {', '.join(sorted(self.regions))}"}
        method_of_cut = query.get("how", "close")
        if method_of_cut not in ("close", "hang"):
            return 400, {"error": f"how={method_of_cut}: a Region is cut off by how=close or how=hang"}
        if method == "PUT":
            self.cuts.cut(region, s3=query.get("s3", "").lower() == "true", hangs=method_of_cut == "hang")
        elif method == "DELETE":
            self.cuts.restore(region)
        else:
            return 405, {"error": "PUT cuts the Region off, DELETE joins it again"}
        return 200, self.cuts.report()
