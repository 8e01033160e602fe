"""Stop calling a dependency that doesn't answer. A dependency that hangs costs each call its whole time budget. So one
invocation calls it only until it is plain that it doesn't answer. From then on calls to it fail at once (`NotAsked`),
and all other work goes on.

The breaker wraps the ports of an Env, all operations alike, so callers need not know of it. It also enforces the end of
an invocation: once its time is up, no call is begun. To the interrupted code both look like a crash between two calls,
which is an ordinary state everywhere.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast

from chalicelib.core.budgets import STRIKES, dear_ms, quick_ms, request_ms
from chalicelib.core.errors import NoAnswer, NotAsked, OutOfTime
from chalicelib.core.objects import Bucket
from chalicelib.ports import Clock, Env, SourceRef, UploadRef

P = TypeVar("P")
TABLE, QUEUES, BUS = "the table", "the queues", "the event bus"
NO_REQUEST = frozenset({"presign"})
"""Operations that send no request."""
Request = tuple[str, Callable[..., object], tuple[object, ...], dict[str, object]]
"""The operation's name, the operation, its positional arguments and its keyword arguments."""
BRIEF = frozenset({"count_request"})
"""Operations with a shorter timeout than others. One that times out does not prove that the dependency doesn't
answer."""


def s3_of(region: str) -> str:
    return f"S3 in {region}"


@dataclass(slots=True)
class Breaker:
    """The circuit breaker of one invocation: what it has learned about its dependencies. Its threads share it."""

    clock: Clock
    strikes: int = STRIKES
    dear_ms: int | None = None
    """How long a call without an answer must take, in ms, to trip the breaker alone. None: no single call does."""
    unanswered: dict[str, set[str]] = field(default_factory=dict)
    """Dependency -> the calls that got no answer since its last answer. Only different calls count: repeated calls for
    one object that hangs say nothing about its bucket."""
    tripped: set[str] = field(default_factory=set)
    waited: bool = False
    """Whether a call has used up its time without an answer."""

    def call(self, dependency: str, request: Request, now_ms: int) -> object:
        """Make a call, and note whether there was an answer. Every outcome except NoAnswer counts as an answer.

        Requests are told apart by their arguments. A brief one that times out has cost its time, but doesn't count
        against the dependency.
        """
        name, operation, args, named = request
        try:
            answer = operation(*args, **named)
        except NoAnswer:
            self._note_no_answer(
                "" if name in BRIEF else dependency, f"{name}{args}{named}", self.clock.now_ms() - now_ms
            )
            raise
        except Exception:
            self.unanswered.pop(dependency, None)
            raise
        self.unanswered.pop(dependency, None)
        return answer

    def _note_no_answer(self, dependency: str, request: str, took_ms: int) -> None:
        is_dear = self.dear_ms is not None and took_ms >= self.dear_ms
        self.waited = self.waited or is_dear
        if not dependency:
            return
        calls = self.unanswered.setdefault(dependency, set())
        calls.add(request)
        if is_dear or len(calls) >= self.strikes:
            self.tripped.add(dependency)


@dataclass(slots=True)
class Limits:
    """The times after which no call is begun. None means no limit. The stages of a sweep move them on."""

    until_ms: int | None = None
    """From then on calls raise OutOfTime; in ms since the epoch."""
    answer_by_ms: int | None = None
    """Once a dependency has failed to answer, no call is begun that may last beyond this; in ms since the epoch."""
    call_ms: int = 0
    """The longest that one call may last, in ms."""


def guarded(
    env: Env, breaker: Breaker, limits: Limits, dependency_of: Callable[[Bucket], str] = lambda b: s3_of(b.region)
) -> Env:
    """Return the Env with its ports wrapped by the breaker. `dependency_of` names the dependency that a bucket belongs
    to."""
    gate = _Gate(breaker, limits)
    return replace(
        env,
        store=_wrap(env.store, gate, partial(_dependencies_of_store, dependency_of)),
        ledger=_wrap(env.ledger, gate, lambda _: (TABLE,)),
        registry=_wrap(env.registry, gate, lambda _: (TABLE,)),
        queue=_wrap(env.queue, gate, lambda _: (QUEUES,)),
        notifier=_wrap(env.notifier, gate, lambda _: (BUS,)),
    )


def for_worker(env: Env) -> Env:
    """Wrap the Env for one invocation of a worker.

    It takes several calls without an answer to trip the breaker: a worker has time, and a single copy may go unanswered
    for reasons of its own. Each bucket is a dependency by itself, so that findings about one can be recorded in
    another.
    """
    return guarded(env, Breaker(env.clock), Limits(), lambda bucket: f"bucket {bucket.name}")


def for_request(env: Env) -> Env:
    """Wrap the Env for one request of the API, so that the request is answered in time, whatever hangs."""
    now_ms, policy = env.clock.now_ms(), env.policy
    limits = Limits(now_ms + policy.api_slow_ms, now_ms + request_ms(policy), quick_ms(policy))
    return guarded(env, for_quick(env), limits)


def for_quick(env: Env) -> Breaker:
    """Return a breaker for a caller that has other work to do: one call that used up its time trips it."""
    return Breaker(env.clock, dear_ms=dear_ms(env.policy))


def _dependencies_of_store(dependency_of: Callable[[Bucket], str], values: Iterable[object]) -> tuple[str, ...]:
    """Return the dependencies of a call to the store. The last one is blamed if the call gets no answer; the call is
    refused if any of them has tripped.

    A request goes to the bucket that it changes. A copy also waits for its source, and a copy without an answer is most
    likely the source's fault.
    """
    changed: tuple[str, ...] = ()
    source = ""
    for value in values:
        if isinstance(value, SourceRef):
            source = dependency_of(value.bucket)
        elif isinstance(value, Bucket):
            changed = (dependency_of(value),)
        elif isinstance(value, UploadRef):
            changed = (dependency_of(value.bucket),)
    if source and changed != (source,):
        return (*changed, source, f"{source} as a source")
    return changed


@dataclass(frozen=True, slots=True)
class _Gate:
    breaker: Breaker
    limits: Limits

    def call(self, dependencies: tuple[str, ...], request: Request) -> object:
        for dependency in dependencies:
            if dependency in self.breaker.tripped:
                raise NotAsked("NotAsked", f"{dependency} has not answered just now")
        now_ms, limits = self.breaker.clock.now_ms(), self.limits
        if limits.until_ms is not None and now_ms >= limits.until_ms:
            raise OutOfTime("OutOfTime", f"{dependencies[-1]} is not asked: the time for it is used up")
        is_late = limits.answer_by_ms is not None and now_ms + limits.call_ms > limits.answer_by_ms
        if is_late and self.breaker.waited:
            raise NotAsked("NotAsked", f"{dependencies[-1]} is not asked: its answer could be too late")
        return self.breaker.call(dependencies[-1], request, now_ms)


class _Guarded:
    """A port whose operations all pass a gate, including operations that are added to the port later."""

    def __init__(
        self, port: object, gate: _Gate, dependencies_of: Callable[[Iterable[object]], tuple[str, ...]]
    ) -> None:
        self._port, self._gate, self._dependencies_of = port, gate, dependencies_of

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any operation of the port
        operation = getattr(self._port, name)
        if name in NO_REQUEST or not callable(operation):
            return operation
        call, dependencies_of = self._gate.call, self._dependencies_of

        def guarded_call(*args: object, **named: object) -> object:
            return call(dependencies_of((*args, *named.values()) if named else args), (name, operation, args, named))

        self.__dict__[name] = guarded_call  # Operations are called many times, so each is wrapped once.
        return guarded_call


def _wrap(port: P, gate: _Gate, dependencies_of: Callable[[Iterable[object]], tuple[str, ...]]) -> P:
    return cast(P, _Guarded(port, gate, dependencies_of))
