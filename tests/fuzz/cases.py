"""Generated requests to every operation that the served description names, each answer held against it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest.openapi import PATH
from chalicelib.entry.rest.problems import PROBLEM_TYPES
from tests.entry.paths import WEBHOOK
from tests.fuzz.application import Spoil, application, unspoiled
from tests.fuzz.world import PLACES, REGISTRABLE, World

CONFORMS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CHECKS = [not_a_server_error, *CONFORMS, negative_data_rejection]
STATEFUL_SHARE = 5
"""One case in so many is a step of a scenario: submit, then watch, list, cancel that very job."""
STEPS = 6
MISSHAPEN = {
    PROBLEM_TYPES[code].uri
    for code in (
        ErrorCode.NO_BODY,
        ErrorCode.NOT_JSON,
        ErrorCode.NOT_AN_OBJECT,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_IDEMPOTENCY_KEY,
        ErrorCode.BODY_TOO_LARGE,
    )
}
CURSORS = ("r-000001.1", "r-000002.0", "r-000009.99", "1800000003000:job-" + "z" * 26)
MEDIA_TYPES = st.sampled_from(["", "", "", "", "application/json; charset=utf-8", "text/plain", "x", "*/*", ";"])
NAMES = ("drops", "source-west", "new-one")
"""Of endpoints: one that is registered, one that came with the deployment, and one that there may be."""
SCHEDULES = ("nightly", "new-one")
"""One that is there, and one that there may be."""
FEEDS = ("west-to-east", "new-one")
"""One that came with the deployment, and one that there may be."""
HOOKS = ("to-erp", "one-more")
"""Of webhooks: one that is registered, and one that there may be."""
KEYS = ("again", "k" * 255, "~")


@dataclass
class Result:
    """What came of a run. A failure is its first request, as a curl command, and what was wrong."""

    operations: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return sum(self.operations.values())


def run(cases: int, seed: int, spoil: Spoil = unspoiled) -> Result:
    """Ask so many times; the same seed asks the same."""
    world, result = World.make(), Result()
    schema = _describe(world, spoil)
    _single(schema, world, result, cases - cases // STATEFUL_SHARE, seed)
    _scenarios(schema, world, result, cases, seed)
    return result


def boundaries() -> Result:
    """The least, the most and one beyond, of everything that the description bounds: what schemathesis calls coverage.
    The same each time."""
    world, result = World.make(), Result()
    schema = _describe(world, unspoiled)
    schema.config.phases.coverage.generate_duplicate_query_parameters = True
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    for operation in _operations(schema):
        for case in schema.iter_coverage_cases(
            operation, generation_modes=modes, generation_config=schema.config.generation
        ):
            if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
                _name_what_exists(case, world, 4)
            if operation.label.startswith(f"{case.method} "):  # Others are API Gateway's to refuse.
                _ask(case, world.tokens[0], world, result)
    return result


def _describe(world: World, spoil: Spoil) -> BaseSchema:
    """The description as it is served, with the API that it is of."""
    with world.api.over(world.api.env):
        served = world.api.plain("GET", PATH)
    schema = schemathesis.openapi.from_dict(served.json)
    schema.app = application(world.current, spoil)
    return schema


def _single(schema: BaseSchema, world: World, result: Result, cases: int, seed: int) -> None:
    """Requests by themselves: half of them as described, half not. Who asks is drawn too, and where there is a choice,
    often something that exists is named."""
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    anything = st.one_of([found.as_strategy(generation_mode=mode) for found in _operations(schema) for mode in modes])

    def ask(case: Case[Any], token: str, known: int, media_type: str) -> None:
        world.next()
        if case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE:
            _name_what_exists(case, world, known)
        if media_type and case.headers is not None:
            case.headers["Content-Type"] = media_type
        _ask(case, token, world, result)

    tokens = st.sampled_from([*world.tokens[:1] * 4, *world.tokens])
    drawn = {"case": anything, "token": tokens, "known": st.integers(0, 11), "media_type": MEDIA_TYPES}
    _until(cases, result, seed, 1, ask, **drawn)


def _operations(schema: BaseSchema) -> list[APIOperation[Any, Any, Any, Any]]:
    found = list(schema.get_all_operations())
    assert all(isinstance(operation, Ok) for operation in found), found
    return [operation.ok() for operation in found if isinstance(operation, Ok)]


def _until(
    cases: int, result: Result, seed: int, each: int, test: Callable[..., None], **drawn: st.SearchStrategy[Any]
) -> None:
    """Where there is little to choose from, generation ends early: then it begins again with another seed. One example
    makes at most `each` cases."""
    while result.cases < cases:
        seed += 1
        settings = hypothesis.settings(
            max_examples=-(-(cases - result.cases) // each),
            database=None,
            deadline=None,
            # No shrinking: failures are noted, not raised, so that one does not hide the next.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        hypothesis.seed(seed)(settings(hypothesis.given(**drawn)(test)))()


def _name_what_exists(case: Case[Any], world: World, known: int) -> None:
    """For two draws in three."""
    if known % 3 == 0:
        return
    for name, ids in (("job_id", world.job_ids), ("plan_id", world.plan_ids)):
        if name in case.path_parameters:
            case.path_parameters[name] = ids[known % len(ids)]
    if "cursor" in (case.query or {}):
        case.query["cursor"] = CURSORS[known % len(CURSORS)]
    source, target = PLACES[known % len(PLACES)]
    places: dict[str, Any] = {"source": source, "target": target}
    scheduled = {"cron": "0 2 * * *", "timezone": "Europe/London", "job": places}
    feed = places if isinstance(case.body, dict) and "source" in case.body else {}
    registered: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("endpoint_id", NAMES[known % len(NAMES)], REGISTRABLE),
        ("schedule_id", SCHEDULES[known % len(SCHEDULES)], scheduled),
        ("feed_id", FEEDS[known // 3 % len(FEEDS)], feed),
        ("webhook_id", HOOKS[known % len(HOOKS)], {"url": WEBHOOK["url"]}),
    )
    for name, known_id, members in registered:
        if name in case.path_parameters:
            case.path_parameters[name] = known_id
            _register_what_exists(case, members, conditions=known % 2 == 0)
            return
    if isinstance(case.body, dict):
        case.body = {**case.body, **places}
        if known % 2 and case.headers is not None:
            case.headers["Idempotency-Key"] = KEYS[known % len(KEYS)]


def _register_what_exists(case: Case[Any], members: dict[str, Any], *, conditions: bool) -> None:
    """Replace members of the body by valid ones. Without `conditions`, remove the headers that condition the write."""
    for condition in () if conditions or not case.headers else ("If-Match", "If-None-Match"):
        case.headers.pop(condition, None)
    if isinstance(case.body, dict):
        case.body = {**case.body, **members}


def _scenarios(schema: BaseSchema, world: World, result: Result, cases: int, seed: int) -> None:
    """A job is submitted, and asked about by the links that its answer has, while it is carried out.

    Not schemathesis' own state machine: it draws some choices from true randomness, so nothing it finds comes again.
    """
    submit = schema["/jobs"]["POST"]
    linked = {found.definition.raw["operationId"]: found for found in _operations(schema)}

    def follow(data: st.DataObject, token: str, known: int) -> None:
        world.begin()
        case = data.draw(submit.as_strategy())
        _name_what_exists(case, world, known)
        answer = _ask(case, token, world, result)
        if answer is None or answer.status_code >= 400:
            return
        links = submit.definition.raw["responses"][str(answer.status_code)]["links"]
        for _ in range(STEPS):
            link = links[data.draw(st.sampled_from(sorted(links)))]
            ids = {name: _linked(expression, answer) for name, expression in link["parameters"].items()}
            asked = data.draw(linked[link["operationId"]].as_strategy(path_parameters=ids))
            found = _ask(asked, token, world, result)
            if found is not None and found.status_code == 404:
                result.failures["a link leads nowhere"] = link["operationId"]
            world.work(data.draw(st.integers(0, 3)))

    allowed = st.sampled_from(world.tokens[:2])
    _until(cases, result, seed, STEPS + 1, follow, data=st.data(), token=allowed, known=st.integers(1, 11))


def _linked(expression: str, answer: Response) -> str:
    """A runtime expression (OpenAPI 3.1, "Runtime Expressions"), of the one shape that we use."""
    name = expression.removeprefix("$response.body#/")
    value: str = answer.json()[name]
    return value


def _ask(case: Case[Any], token: str, world: World, result: Result) -> Response | None:
    """Its answer, or None if that is not in order, which is noted."""
    label = case.operation.label
    result.operations[label] = result.operations.get(label, 0) + 1
    response = case.call(headers={"Authorization": token} if token else {})
    seen = f"{label} {response.status_code}"
    result.statuses[seen] = result.statuses.get(seen, 0) + 1
    try:
        case.validate_response(response, checks=CHECKS, additional_checks=[_accepts_what_is_described])
    except FailureGroup as group:
        for failure in group.exceptions:
            result.failures.setdefault(f"{label}: {failure.title}", str(group))
        return None
    return response


def _accepts_what_is_described(_: object, response: Response, case: Case[Any]) -> None:
    """A request that follows the description may fail for what it names, never for how it looks."""
    follows = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    countable = b"bytes of UTF-8" not in response.content  # JSON Schema counts characters.
    if follows and countable and response.status_code in (400, 413):
        assert response.json()["type"] not in MISSHAPEN, response.text
