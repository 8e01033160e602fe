"""Inject faults, by rules that match requests and say what goes wrong with them. It is pure, except for its counts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.gateway.classify import Call


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Model):
    """The requests that a rule applies to. Every given field must agree; without fields it matches every request."""

    caller: str | None = None
    service: str | None = None
    operation: str | None = None
    region: str | None = None
    bucket: str | None = None
    key_prefix: str | None = None
    source_prefix: str | None = None
    """For a copy: the beginning of the bucket and key that it reads."""

    def matches(self, call: Call) -> bool:
        return (
            self.caller in (None, call.caller)
            and self.service in (None, call.service)
            and self.operation in (None, call.operation)
            and self.region in (None, call.region)
            and self.bucket in (None, call.bucket)
            and (self.key_prefix is None or call.key.startswith(self.key_prefix))
            and (self.source_prefix is None or call.source.startswith(self.source_prefix))
        )


class Delay(_Model):
    """A slow service: the request waits, and is then carried out and answered. Later rules still apply."""

    kind: Literal["delay"]
    delay_ms: int = Field(ge=0)


class Error(_Model):
    """The request is answered with this error and not carried out."""

    kind: Literal["error"]
    status: int = Field(ge=400, le=599)
    code: str = Field(min_length=1)
    message: str = "Injected by the gateway."


class DropAnswer(_Model):
    """The request is carried out; then the connection is closed without an answer."""

    kind: Literal["drop_answer"]


class DropRequest(_Model):
    """The request is not carried out, and the connection is closed."""

    kind: Literal["drop_request"]


class ErrorIn200(_Model):
    """S3's Copy and Complete may answer 200 and then an error in the body. The request is not carried out."""

    kind: Literal["error_in_200"]
    code: str = "InternalError"


class Hang(_Model):
    """The request is read, not carried out, and never answered. It ends when its client disconnects. If the rule is
    removed first, the connection is closed."""

    kind: Literal["hang"]


class CutAnswer(_Model):
    """The request is carried out; the connection is closed in the middle of the answer: after its headers and half of
    its body, or, if it has no body, after half of its headers. Python's HTTP clients take the latter for an answer that
    has no more headers."""

    kind: Literal["cut_answer"]


class Dribble(_Model):
    """The request is carried out; the answer's headers come at once, and its body little by little over `over_ms`
    milliseconds. A timeout that starts anew with each byte doesn't notice."""

    kind: Literal["dribble"]
    over_ms: int = Field(ge=1)


Final = Error | DropAnswer | DropRequest | ErrorIn200 | Hang | CutAnswer | Dribble
"""Actions that decide a request's fate. Later rules are not applied."""
Steady = Annotated[Delay | Final, Field(discriminator="kind")]


class Flap(_Model):
    """The service works for `well_ms`, then `gone` happens for `gone_ms`, and so on. It starts with working when the
    rule is set."""

    kind: Literal["flap"]
    well_ms: int = Field(ge=1)
    gone_ms: int = Field(ge=1)
    gone: Steady

    def is_gone(self, since_ms: int, now_ms: int) -> bool:
        return (now_ms - since_ms) % (self.well_ms + self.gone_ms) >= self.well_ms


Action = Annotated[Delay | Final | Flap, Field(discriminator="kind")]


class Rule(_Model):
    id: str = Field(min_length=1)
    match: Match = Match()
    action: Action
    times: int | None = Field(default=None, ge=1)
    """Number of times that the rule fires. Then it is used up."""
    skip: int = Field(default=0, ge=0)
    """Number of matching requests that pass first."""
    probability: float = Field(default=1.0, gt=0.0, le=1.0)
    seed: int = 0


class BadRules(ValueError):
    """The rules are invalid. The message says which rule and field is wrong, and how."""


_RULES: TypeAdapter[list[Rule]] = TypeAdapter(list[Rule])


def parse_rules(body: bytes) -> list[Rule]:
    try:
        rules = _RULES.validate_json(body)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()]
        raise BadRules("; ".join(lines)) from None
    ids = [rule.id for rule in rules]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise BadRules(f"every rule needs an id of its own; repeated: {', '.join(repeated)}")
    return rules


@dataclass
class _State:
    rule: Rule
    rng: random.Random
    since_ms: int
    matched: int = 0
    fired: int = 0


@dataclass(frozen=True, slots=True)
class Injection:
    """The faults that are injected into one request: it waits `delay_ms`, then `action` happens, if any."""

    delay_ms: int = 0
    action: Final | None = None
    rules: tuple[str, ...] = field(default=())

    @property
    def rule(self) -> str:
        """The id of the rule whose action it is, or of the last rule that delays."""
        return self.rules[-1]


NO_FAULT = Injection()


class Faults:
    """The current rules. Delays add up; of the other actions, that of the first rule in order wins."""

    def __init__(self) -> None:
        self._states: list[_State] = []

    def replace(self, rules: Iterable[Rule], now_ms: int) -> None:
        """Replace all rules. The new ones count from zero."""
        self._states = [_State(rule, random.Random(rule.seed), now_ms) for rule in rules]

    def decide(self, call: Call, now_ms: int) -> Injection:
        if not self._states:
            return NO_FAULT
        delay_ms = 0
        fired: list[str] = []
        for state in self._states:
            action = _strikes(state, call, now_ms)
            if action is None:
                continue
            fired.append(state.rule.id)
            if not isinstance(action, Delay):
                return Injection(delay_ms, action, tuple(fired))
            delay_ms += action.delay_ms
        return Injection(delay_ms, None, tuple(fired))

    def hangs(self, rule_id: str, now_ms: int) -> bool:
        """Return whether there still is a rule of this id that lets requests hang now."""
        return any(state.rule.id == rule_id and isinstance(_action(state, now_ms), Hang) for state in self._states)

    def report(self) -> list[dict[str, object]]:
        return [
            state.rule.model_dump(exclude_none=True) | {"matched": state.matched, "fired": state.fired}
            for state in self._states
        ]


def _action(state: _State, now_ms: int) -> Delay | Final | None:
    """Return the rule's action now; None while a flapping service works."""
    action = state.rule.action
    if not isinstance(action, Flap):
        return action
    return action.gone if action.is_gone(state.since_ms, now_ms) else None


def _strikes(state: _State, call: Call, now_ms: int) -> Delay | Final | None:
    """Return the rule's action on this request, None if it has none. Counts the match."""
    rule = state.rule
    if (rule.times is not None and state.fired >= rule.times) or not rule.match.matches(call):
        return None
    state.matched += 1
    action = _action(state, now_ms)
    if state.matched <= rule.skip or action is None:
        return None
    # Draw for every match, so that the nth match has the same outcome in every run with this seed.
    if rule.probability < 1.0 and state.rng.random() >= rule.probability:
        return None
    state.fired += 1
    return action
