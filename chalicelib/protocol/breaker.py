"""Who is still asked. A dependency that hangs costs each call its whole budget, so one invocation asks it only until it
is plain that nobody answers: from then on calls to it fail at once (`NotAsked`), and all other work goes on.

It wraps the ports of an Env, all operations alike, so whoever calls them need not know; so does an invocation's end:
where its time is up, no call is begun. To the code that is cut short both are as a crash between two calls, which is an
ordinary state everywhere.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast

from chalicelib.core.budgets import STRIKES, dear_ms, quick_ms, request_ms
from chalicelib.core.errors import NoAnswer, NotAsked, OutOfTime
from chalicelib.core.model import Bucket
from chalicelib.ports import Clock, Env, SourceRef, UploadRef

T = TypeVar("T")
P = TypeVar("P")
TABLE, QUEUES, BUS = "the table", "the queues", "the event bus"
NO_REQUEST = frozenset({"presign"})
"""Operations that ask nobody."""
BRIEF = frozenset({"count_request"})
"""Operations that are given less time than others: that they got no answer in it does not mean that nobody answers."""


def s3_of(region: str) -> str:
    return f"S3 in {region}"


@dataclass(slots=True)
class Breaker:
    """What one invocation has learned about those it depends on. Shared by its threads."""

    clock: Clock
    strikes: int = STRIKES
    dear_ms: int | None = None
    """One call without an answer is enough if it took so long. None: it never is."""
    silent: dict[str, set[str]] = field(default_factory=dict)
    """Calls that got no answer, since there was one. Different calls: an object that hangs, and is asked for again and
    again, does not speak for its bucket."""
    tripped: set[str] = field(default_factory=set)
    waited: bool = False
    """A call has cost its time for nothing."""

    def call(self, whom: str, ask: Callable[[], T], what: Callable[[], str], *, brief: bool = False) -> T:
        """Ask, and note whether there was an answer; any but NoAnswer is one. `what` tells calls apart. The silence of
        a `brief` one has cost its time, and says nothing more."""
        begun_ms = self.clock.now_ms()
        try:
            answer = ask()
        except NoAnswer:
            self._note_silence("" if brief else whom, what(), self.clock.now_ms() - begun_ms)
            raise
        except Exception:
            self.silent.pop(whom, None)
            raise
        self.silent.pop(whom, None)
        return answer

    def _note_silence(self, whom: str, what: str, took_ms: int) -> None:
        dear = self.dear_ms is not None and took_ms >= self.dear_ms
        self.waited = self.waited or dear
        if not whom:
            return
        calls = self.silent.setdefault(whom, set())
        calls.add(what)
        if dear or len(calls) >= self.strikes:
            self.tripped.add(whom)


@dataclass(frozen=True, slots=True)
class Limits:
    """When calls are no longer begun. None: never."""

    until_ms: int | None = None
    """OutOfTime from then on."""
    answer_by_ms: int | None = None
    """Once something has failed to answer, nothing is begun that may last beyond this."""
    call_ms: int = 0
    """The longest that one call may last."""


def guarded(
    env: Env, breaker: Breaker, limits: Limits, place_of: Callable[[Bucket], str] = lambda b: s3_of(b.region)
) -> Env:
    """The Env, asking through the breaker. `place_of`: what of S3 is silent when a bucket is."""
    gate = _Gate(breaker, limits)
    return replace(
        env,
        store=_wrap(env.store, gate, partial(_whom_of_store, place_of)),
        ledger=_wrap(env.ledger, gate, lambda _: (TABLE,)),
        registry=_wrap(env.registry, gate, lambda _: (TABLE,)),
        queue=_wrap(env.queue, gate, lambda _: (QUEUES,)),
        notifier=_wrap(env.notifier, gate, lambda _: (BUS,)),
    )


def for_worker(env: Env) -> Env:
    """For one invocation of a worker: several calls decide, since a worker has time, and a copy may be left without an
    answer by itself. Each bucket by itself, so that what is found can be recorded in another one."""
    return guarded(env, Breaker(env.clock), Limits(), lambda bucket: f"bucket {bucket.name}")


def for_request(env: Env) -> Env:
    """For one request of the API: it is answered in time, whatever hangs."""
    now_ms, policy = env.clock.now_ms(), env.policy
    limits = Limits(now_ms + policy.api_slow_ms, now_ms + request_ms(policy), quick_ms(policy))
    return guarded(env, for_quick(env), limits)


def for_quick(env: Env) -> Breaker:
    """For who has other work to do: one call that cost its time is enough."""
    return Breaker(env.clock, dear_ms=dear_ms(env.policy))


def _whom_of_store(place_of: Callable[[Bucket], str], values: Iterable[object]) -> tuple[str, ...]:
    """Whose silence it is, last, and before that who else must not be silent. A request goes to the bucket that it
    changes; a copy waits for its source besides, and if there is no answer, that is most likely why."""
    asked: tuple[str, ...] = ()
    source = ""
    for value in values:
        if isinstance(value, SourceRef):
            source = place_of(value.bucket)
        elif isinstance(value, Bucket | UploadRef):
            asked = (place_of(value if isinstance(value, Bucket) else value.bucket),)
    if source and asked != (source,):
        return (*asked, source, f"{source} as a source")
    return asked


@dataclass(frozen=True, slots=True)
class _Gate:
    breaker: Breaker
    limits: Limits

    def call(self, whom: tuple[str, ...], ask: Callable[[], T], what: Callable[[], str], *, brief: bool) -> T:
        for each in whom:
            if each in self.breaker.tripped:
                raise NotAsked("NotAsked", f"{each} has not answered just now")
        now_ms, limits = self.breaker.clock.now_ms(), self.limits
        if limits.until_ms is not None and now_ms >= limits.until_ms:
            raise OutOfTime("OutOfTime", f"{whom[-1]} is not asked: the time for it is used up")
        late = limits.answer_by_ms is not None and now_ms + limits.call_ms > limits.answer_by_ms
        if late and self.breaker.waited:
            raise NotAsked("NotAsked", f"{whom[-1]} is not asked: its answer could be too late")
        return self.breaker.call(whom[-1], ask, what, brief=brief)


class _Guarded:
    """A port whose operations all pass a gate: also those that it will have one day."""

    def __init__(self, port: object, gate: _Gate, whom: Callable[[Iterable[object]], tuple[str, ...]]) -> None:
        self._port, self._gate, self._whom = port, gate, whom

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any operation of the port
        operation = getattr(self._port, name)
        if name in NO_REQUEST or not callable(operation):
            return operation
        brief = name in BRIEF

        def ask(*args: object, **named: object) -> object:
            whom = self._whom((*args, *named.values()) if named else args)
            work = partial(operation, *args, **named)
            return self._gate.call(whom, work, lambda: f"{name}{args}{named}", brief=brief)

        self.__dict__[name] = ask  # Operations are called again and again: each is wrapped once.
        return ask


def _wrap(port: P, gate: _Gate, whom: Callable[[Iterable[object]], tuple[str, ...]]) -> P:
    return cast(P, _Guarded(port, gate, whom))
