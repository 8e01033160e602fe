"""Generate requests to every operation in the served description, and check each answer against it."""

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
from tests.fuzz.world import ENDS, REGISTRABLE, World

CONFORMS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CHECKS = [not_a_server_error, *CONFORMS, negative_data_rejection]
STATEFUL_SHARE = 5
"""One case in so many is a step of a scenario: submit a job, then watch, list or cancel that very job."""
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
"""These are ids of endpoints: one is registered, one came with the deployment, and one may exist."""
SCHEDULES = ("nightly", "new-one")
"""These are ids of schedules: one exists, and one may exist."""
FEEDS = ("west-to-east", "new-one")
"""These are ids of feeds: one came with the deployment, and one may exist."""
HOOKS = ("to-erp", "one-more")
"""These are ids of webhooks: one is registered, and one may exist."""
KEYS = ("again", "k" * 255, "~")


@dataclass
class Result:
    """The result of a run. A failure has its first request as a curl command, and the reason."""

    operations: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return sum(self.operations.values())


def run(cases: int, seed: int, spoil: Spoil = unspoiled) -> Result:
    """Send at least so many requests. The same seed sends the same ones."""
    world, result = World.make(), Result()
    schema = _describe(world, spoil)
    _single(schema, world, result, cases - cases // STATEFUL_SHARE, seed)
    _scenarios(schema, world, result, cases, seed)
    return result


def boundaries() -> Result:
    """Send the least and the most of everything that the description bounds, and one beyond: schemathesis calls this
    coverage. The requests are the same each time."""
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
            if operation.label.startswith(f"{case.method} "):  # API Gateway refuses other methods.
                _ask(case, world.tokens[0], world, result)
    return result


def _describe(world: World, spoil: Spoil) -> BaseSchema:
    """Return the description as it is served, with the API that it describes."""
    with world.api.over(world.api.env):
        served = world.api.plain("GET", PATH)
    schema = schemathesis.openapi.from_dict(served.json)
    schema.app = application(world.current, spoil)
    return schema


def _single(schema: BaseSchema, world: World, result: Result, cases: int, seed: int) -> None:
    """Send single requests: half of them as described, half not. The caller is drawn too. Where an id can be chosen, it
    often names an existing thing."""
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    anything = st.one_of(
        [operation.as_strategy(generation_mode=mode) for operation in _operations(schema) for mode in modes]
    )

    def ask(case: Case[Any], token: str, choice: int, media_type: str) -> None:
        world.next()
        if case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE:
            _name_what_exists(case, world, choice)
        if media_type and case.headers is not None:
            case.headers["Content-Type"] = media_type
        _ask(case, token, world, result)

    tokens = st.sampled_from([*world.tokens[:1] * 4, *world.tokens])
    drawn = {"case": anything, "token": tokens, "choice": st.integers(0, 11), "media_type": MEDIA_TYPES}
    _until(cases, result, seed, 1, ask, **drawn)


def _operations(schema: BaseSchema) -> list[APIOperation[Any, Any, Any, Any]]:
    results = list(schema.get_all_operations())
    assert all(isinstance(operation, Ok) for operation in results), results
    return [operation.ok() for operation in results if isinstance(operation, Ok)]


def _until(
    cases: int,
    result: Result,
    seed: int,
    cases_per_example: int,
    test: Callable[..., None],
    **drawn: st.SearchStrategy[Any],
) -> None:
    """Run a test until there are `cases` requests. Where there is little to choose from, generation ends early, and
    begins again with another seed. One example makes at most `each` requests."""
    while result.cases < cases:
        seed += 1
        settings = hypothesis.settings(
            max_examples=-(-(cases - result.cases) // cases_per_example),
            database=None,
            deadline=None,
            # There is no shrinking: failures are noted, not raised, so that one does not hide the next.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        hypothesis.seed(seed)(settings(hypothesis.given(**drawn)(test)))()


def _name_what_exists(case: Case[Any], world: World, choice: int) -> None:
    """Put the names of existing things into a case, for two draws in three."""
    if choice % 3 == 0:
        return
    for name, ids in (("job_id", world.job_ids), ("plan_id", world.plan_ids)):
        if name in case.path_parameters:
            case.path_parameters[name] = ids[choice % len(ids)]
    if "cursor" in (case.query or {}):
        case.query["cursor"] = CURSORS[choice % len(CURSORS)]
    source, target = ENDS[choice % len(ENDS)]
    ends: dict[str, Any] = {"source": source, "target": target}
    scheduled = {"cron": "0 2 * * *", "timezone": "Europe/London", "job": ends}
    feed = ends if isinstance(case.body, dict) and "source" in case.body else {}
    registered: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("endpoint_id", NAMES[choice % len(NAMES)], REGISTRABLE),
        ("schedule_id", SCHEDULES[choice % len(SCHEDULES)], scheduled),
        ("feed_id", FEEDS[choice // 3 % len(FEEDS)], feed),
        ("webhook_id", HOOKS[choice % len(HOOKS)], {"url": WEBHOOK["url"]}),
    )
    for name, known_id, members in registered:
        if name in case.path_parameters:
            case.path_parameters[name] = known_id
            _register_what_exists(case, members, conditions=choice % 2 == 0)
            return
    if isinstance(case.body, dict):
        case.body = {**case.body, **ends}
        if choice % 2 and case.headers is not None:
            case.headers["Idempotency-Key"] = KEYS[choice % len(KEYS)]


def _register_what_exists(case: Case[Any], members: dict[str, Any], *, conditions: bool) -> None:
    """Replace members of the body by valid ones. Without `conditions`, remove the headers that condition the write."""
    for condition in () if conditions or not case.headers else ("If-Match", "If-None-Match"):
        case.headers.pop(condition, None)
    if isinstance(case.body, dict):
        case.body = {**case.body, **members}


def _scenarios(schema: BaseSchema, world: World, result: Result, cases: int, seed: int) -> None:
    """Submit a job, and follow the links of its answer while it is carried out.

    This does not use schemathesis' own state machine, which draws some choices from true randomness, so that its
    findings can't be repeated.
    """
    submit = schema["/jobs"]["POST"]
    linked = {operation.definition.raw["operationId"]: operation for operation in _operations(schema)}

    def follow(data: st.DataObject, token: str, choice: int) -> None:
        world.begin()
        case = data.draw(submit.as_strategy())
        _name_what_exists(case, world, choice)
        answer = _ask(case, token, world, result)
        if answer is None or answer.status_code >= 400:
            return
        links = submit.definition.raw["responses"][str(answer.status_code)]["links"]
        for _ in range(STEPS):
            link = links[data.draw(st.sampled_from(sorted(links)))]
            ids = {name: _linked(expression, answer) for name, expression in link["parameters"].items()}
            next_case = data.draw(linked[link["operationId"]].as_strategy(path_parameters=ids))
            linked_answer = _ask(next_case, token, world, result)
            if linked_answer is not None and linked_answer.status_code == 404:
                result.failures["a link leads nowhere"] = link["operationId"]
            world.work(data.draw(st.integers(0, 3)))

    allowed = st.sampled_from(world.tokens[:2])
    _until(cases, result, seed, STEPS + 1, follow, data=st.data(), token=allowed, choice=st.integers(1, 11))


def _linked(expression: str, answer: Response) -> str:
    """Evaluate a runtime expression (OpenAPI 3.1, "Runtime Expressions") of the one shape that we use."""
    name = expression.removeprefix("$response.body#/")
    value: str = answer.json()[name]
    return value


def _ask(case: Case[Any], token: str, world: World, result: Result) -> Response | None:
    """Send a request and return its answer. If the answer is not in order, note that and return None."""
    label = case.operation.label
    result.operations[label] = result.operations.get(label, 0) + 1
    response = case.call(headers={"Authorization": token} if token else {})
    counted = f"{label} {response.status_code}"
    result.statuses[counted] = result.statuses.get(counted, 0) + 1
    try:
        case.validate_response(response, checks=CHECKS, additional_checks=[_accepts_what_is_described])
    except FailureGroup as group:
        for failure in group.exceptions:
            result.failures.setdefault(f"{label}: {failure.title}", str(group))
        return None
    return response


def _accepts_what_is_described(_: object, response: Response, case: Case[Any]) -> None:
    """Check that a request that follows the description fails for what it names, never for its form."""
    follows = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    countable = b"bytes of UTF-8" not in response.content  # JSON Schema counts characters.
    if follows and countable and response.status_code in (400, 413):
        assert response.json()["type"] not in MISSHAPEN, response.text
