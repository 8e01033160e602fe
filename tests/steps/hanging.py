"""Dependencies that hang: a call costs its time budget by the virtual clock, and then fails with NoAnswer."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from chalicelib.core.errors import NoAnswer
from chalicelib.ports import Env
from simulation.memory.clock import VirtualClock
from simulation.memory.faults import Rule

P = TypeVar("P")


@dataclass(slots=True)
class Hang:
    """Says how much time each call costs, and counts the calls."""

    clock: VirtualClock
    costs_ms: int = 3_000
    other_costs_ms: Mapping[str, int] = field(default_factory=dict)
    """The cost of operations that have a time budget of their own."""
    calls: int = 0

    def wait(self, operation: str = "") -> None:
        self.calls += 1
        self.clock.advance(self.other_costs_ms.get(operation, self.costs_ms))

    def error(self) -> Exception:
        return NoAnswer("ReadTimeoutError", "nobody answered")

    def s3_of(self, region: str, *, first: int = 1) -> Rule:
        """Return a rule for a FaultyStore: the Region's S3 hangs from its n-th call on."""

        def error() -> Exception:
            self.wait()
            return self.error()

        return Rule(region=region, first=first, times=None, error=error)

    def port(self, port: P, *, after: int = 0, only: Set[str] = frozenset()) -> P:
        """Return the port in a wrapper that hangs after `after` calls, or in the operations of `only` alone."""
        return cast(P, _HangingPort(port, self, after, only))


class _HangingPort:
    def __init__(self, port: object, hang: Hang, after: int, only: Set[str]) -> None:
        self._port, self._hang, self._left, self._only = port, hang, after, only

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if self._only and name not in self._only:
                return getattr(self._port, name)(*args, **named)
            if self._left > 0:
                self._left -= 1
                return getattr(self._port, name)(*args, **named)
            self._hang.wait(name)
            raise self._hang.error()

        return call


def without_table(env: Env, hang: Hang, *, after: int = 0) -> Env:
    """Let ledger and registry hang. Both are the same table."""
    return replace(env, ledger=hang.port(env.ledger, after=after), registry=hang.port(env.registry, after=after))


def without_messages(env: Env, hang: Hang) -> Env:
    return replace(env, queue=hang.port(env.queue), notifier=hang.port(env.notifier))
