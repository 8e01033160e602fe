"""Make the API's description (OpenAPI 3.1) from the contracts, and from the same models that read requests and write
answers. It is made when it is first requested, so that no cold start pays for it."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chalicelib.core.entries import NAME
from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest import (
    endpoints,
    examples,
    feeds,
    operations,
    plans,
    reports,
    requests,
    responses,
    schedules,
    webhooks,
)
from chalicelib.entry.rest.contract import TAGS, Contract, Success
from chalicelib.entry.rest.contracts import CONTRACTS
from chalicelib.entry.rest.problems import MEDIA_TYPE, PROBLEM_TYPES, ProblemType

PATH = "/openapi.json"
JSON = "application/json"
Json = dict[str, Any]
_NO_SUCH_OPERATION = PROBLEM_TYPES[ErrorCode.NO_SUCH_OPERATION].uri

_ABOUT = f"""\
Managed S3-to-S3 file transfer that survives the death of a Region. One name, two Regions: either accepts any request.

- A body may have at most {requests.BODY_MAX_BYTES} bytes and must be I-JSON (RFC 7493): UTF-8, no name twice.
- A body's field that is not described here is refused, as is a query parameter that is there twice. Answers may gain
  fields.
- A page holds at most {requests.PAGE_MAX} rows. Follow `next_cursor` until it is null, past pages that are not full.
- Errors are problem details (RFC 9457). Go by `type`; `detail` is for people and says what to do. A path or method that
  is not described here is answered with 404 and `{_NO_SUCH_OPERATION}`. Errors of API Gateway that
  no operation names may lack `status`.
- A tenant that sends a Region too many requests in a minute is answered with 429 until the next begins, which
  `Retry-After` says; `RateLimit-Limit`, `-Remaining` and `-Reset` say beforehand how far away that is.
- Every answer but this one says `Cache-Control: no-store`. `x-amzn-RequestId` identifies a request to the operators.
"""
_SECURITY: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of an issuer that the service trusts, for its audience. Its claim `tenant` (or "
        "the one agreed on with your issuer) says whose jobs, endpoints and feeds are seen; its claim `scope` (or the "
        "array `scp`) what may be done: `read`, `write`, `administer`, `operate`.",
    }
}
_HEADERS: Json = {
    "ETag": {"description": "For If-Match.", "required": True, "schema": {"type": "string"}},
    "Location": {"description": "The job's own path.", "required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "`Bearer`.", "required": True, "schema": {"type": "string"}},
}
_RATE_LIMIT: Json = {
    name: {"description": text, "schema": {"type": "integer", "minimum": 0}}
    for name, text in (
        ("RateLimit-Limit", "How many requests of your tenant this Region answers in a minute."),
        ("RateLimit-Remaining", "How many more it answers in this minute."),
        ("RateLimit-Reset", "In how many seconds the next minute begins."),
    )
}
"""Headers of every answer to a request with a token, unless the requests can't be counted."""
_JOB_ID: Json = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "description": "The `id` in the answer to its submission.",
    "schema": {"type": "string", "pattern": "^(job|feed)-[a-z2-7]{26}$"},
}


def _name(parameter: str, subject: str) -> Json:
    """Return the description of a path parameter that is the tenant's own name for something."""
    return {
        "name": parameter,
        "in": "path",
        "required": True,
        "description": f"Your own name for the {subject}.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": f"^{NAME.pattern}$"},
    }


_PLAN_ID: Json = {**_JOB_ID, "name": "plan_id", "schema": {"type": "string", "pattern": "^job-[a-z2-7]{26}$"}}
_PATH: Json = {
    "job_id": _JOB_ID,
    "plan_id": _PLAN_ID,
    "endpoint_id": _name("endpoint_id", "endpoint"),
    "schedule_id": _name("schedule_id", "schedule"),
    "webhook_id": _name("webhook_id", "webhook"),
    "feed_id": _name("feed_id", "feed"),
}
_CONDITIONS: list[Json] = [
    {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag of what you have seen, or several, or `*`: the request counts only if that is there.",
        "schema": {"type": "string", "maxLength": 1024},
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "description": "`*`: the request counts only if nothing is there yet. Not together with If-Match.",
        "schema": {"type": "string", "const": "*"},
    },
]
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any printable ASCII that you use for this one request. Tenants never get in each other's way.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": requests.IDEMPOTENCY_KEY_MAX_CHARACTERS,
        "pattern": "^[ -~]+$",
    },
}


_PATHS = {contract.name: contract.path for contract in CONTRACTS}


def document(server: str) -> Json:
    """Return the description. `server` is the path at which the client reaches the API."""
    return {**_made(), "servers": [{"url": server, "description": "Where this description came from."}]}


@cache
def _made() -> Json:
    paths: Json = {}
    for contract in CONTRACTS:
        paths.setdefault(contract.path, {})[contract.method.lower()] = _operation(contract)
    return {
        "openapi": "3.1.0",
        "info": {"title": "EFT", "summary": "File transfer from S3 to S3", "version": "1", "description": _ABOUT},
        "servers": [],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _SECURITY},
    }


def _operation(contract: Contract) -> Json:
    operation: Json = {
        "operationId": contract.name,
        "tags": [contract.tag],
        "summary": contract.summary,
        "description": contract.description,
        "parameters": _parameters(contract),
        # The standard defines scopes for OAuth2 only. Since version 3.1, other schemes may list roles in the same way.
        "security": [{"bearer": [contract.scope]}] if contract.scope else [],
        "responses": {str(success.status): _success(contract, success) for success in contract.successes},
    }
    if contract.body:
        content = {"schema": _ref(contract.body), "examples": _examples(contract.body)}
        operation["requestBody"] = {"required": not contract.body_optional, "content": {JSON: content}}
    for status in sorted({problem.status for problem in contract.all_problems}):
        problem_types = [problem for problem in contract.all_problems if problem.status == status]
        operation["responses"][str(status)] = _failure(contract, problem_types)
    return {name: value for name, value in operation.items() if value or name == "security"}


def _ids_in(path: str) -> list[str]:
    """Return the names of a path's parameters."""
    return re.findall(r"{([a-z_]+)}", path)


def _parameters(contract: Contract) -> list[Json]:
    parameters = [_PATH[name] for name in _ids_in(contract.path)]
    if contract.idempotent:
        parameters = [*parameters, _IDEMPOTENCY_KEY]
    if contract.conditional:
        parameters = [*parameters, *_CONDITIONS]
    if contract.query:
        schema = contract.query.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, described in schema["properties"].items():
            parameters.append({"name": name, "in": "query", **_parameter(described, _texts(contract.query)[name])})
    return parameters


def _parameter(schema: Json, description: str) -> Json:
    """Describe a query parameter. A client leaves a parameter out instead of sending null, so null is neither a choice
    nor the default."""
    [type_schema] = [choice for choice in schema.get("anyOf", [{}]) if choice != {"type": "null"}]
    own_fields = {name: value for name, value in schema.items() if name not in ("title", "anyOf") and value is not None}
    return {"description": description, "schema": {**own_fields, **type_schema}}


def _success(contract: Contract, success: Success) -> Json:
    if success.status == 204:
        return {"description": success.description}
    schema = _ref(success.model) if success.model else {"type": "object"}
    content: Json = {"schema": schema}
    if success.model:
        content["examples"] = _examples(success.model)
    response: Json = {"description": success.description, "content": {JSON: content}}
    headers = {name: _HEADERS[name] for name in success.headers} | (_RATE_LIMIT if contract.scope else {})
    if headers:
        response["headers"] = headers
    if contract.links:
        response["links"] = {
            name: {
                "operationId": name,
                "description": description,
                "parameters": dict.fromkeys(_ids_in(_PATHS[name]), "$response.body#/id"),
            }
            for name, description in contract.links.items()
        }
    return response


def _failure(contract: Contract, problem_types: list[ProblemType]) -> Json:
    """Describe all problems of one status. Their types are part of the schema."""
    types = {"properties": {"type": {"enum": [problem_type.uri for problem_type in problem_types]}}}
    content = {
        "schema": {"allOf": [_ref(responses.ProblemDetails), types]},
        "examples": {
            problem_type.code: {"value": examples.problem(problem_type, contract.path)}
            for problem_type in problem_types
        },
    }
    response: Json = {
        "description": "; ".join(dict.fromkeys(problem_type.title for problem_type in problem_types)) + ".",
        "content": {MEDIA_TYPE: content},
    }
    if all(problem_type.retry_after_s is not None for problem_type in problem_types):
        response["headers"] = {"Retry-After": _HEADERS["Retry-After"]}
    if [problem_type.code for problem_type in problem_types] == [ErrorCode.UNAUTHORIZED]:
        response["headers"] = {"WWW-Authenticate": _HEADERS["WWW-Authenticate"]}
    return response


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _examples(model: type[BaseModel]) -> Json:
    return {name: {"value": value.model_dump(mode="json")} for name, value in examples.of(model).items()}


def _schemas() -> Json:
    models = {
        *((contract.body, "validation") for contract in CONTRACTS if contract.body),
        *((contract.query, "validation") for contract in CONTRACTS if contract.query),
        *(
            (success.model, "serialization")
            for contract in CONTRACTS
            for success in contract.successes
            if success.model
        ),
        (responses.ProblemDetails, "serialization"),
    }
    _, definitions = models_json_schema(
        sorted(models, key=lambda entry: entry[0].__name__),  # type: ignore[arg-type] # the modes are literals
        ref_template="#/components/schemas/{model}",
    )
    schemas: Json = definitions["$defs"]
    for contract in CONTRACTS:  # Queries are described as single parameters.
        if contract.query:
            schemas.pop(contract.query.__name__, None)
    for name, model in _described():
        for field, text in _texts(model).items():
            if field in schemas.get(name, {}).get("properties", {}):
                schemas[name]["properties"][field]["description"] = text
    return {name: _plain(schema) for name, schema in sorted(schemas.items())}


def _plain(schema: Json) -> Json:
    """Return a schema without the titles that pydantic derives from names, and with docstrings on one line."""
    for described in schema.get("properties", {}).values():
        described.pop("title", None)
    if "description" in schema:
        schema["description"] = _one_line(schema["description"])
    return schema


def _described() -> Iterable[tuple[str, type[BaseModel]]]:
    for module in (requests, responses, reports, operations, endpoints, plans, schedules, webhooks, feeds):
        for name, member in vars(module).items():
            if isinstance(member, type) and issubclass(member, BaseModel):
                yield name, member


@cache
def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings of a model's fields. They are read from the source now: pydantic would read them at every
    import of the module."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith(f"{__package__}."):
            texts |= _texts_in(textwrap.dedent(inspect.getsource(base)))
    return texts


def _texts_in(source: str) -> dict[str, str]:
    [definition] = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: _one_line(text.value.value)
        for field, text in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
