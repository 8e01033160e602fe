"""Calls at the ports, numbered, with something happening at the n-th: how tests put trouble at every boundary."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.errors import Retry


class Crash(BaseException):
    """The process dies here. No `except Exception` may survive it, as none survives a SIGKILL."""


Act = Callable[[str], object]


@dataclass(slots=True)
class Calls:
    """Every call that the product makes at a port, by its label (`store.copy`, `ledger.put_lease`), in order.

    `before` and `after` happen once, round the n-th call that `wanted` picks; what they do makes calls of its own,
    which are not counted.
    """

    labels: list[str] = field(default_factory=list)
    wanted: Callable[[str], bool] = lambda label: True
    at: int = 0
    before: Act | None = None
    after: Act | None = None
    fired: bool = False
    paused: bool = False

    def tap(self, name: str, port: object) -> Any:
        return _Tap(name, port, self)

    def plan(
        self,
        at: int,
        *,
        before: Act | None = None,
        after: Act | None = None,
        wanted: Callable[[str], bool] | None = None,
    ) -> None:
        """Let something happen at the n-th call from now on."""
        self.labels.clear()
        self.at, self.before, self.after, self.fired = at, before, after, False
        if wanted is not None:
            self.wanted = wanted

    def around(self, label: str, call: Callable[[], Any]) -> Any:
        if self.paused or not self.wanted(label):
            return call()
        self.labels.append(label)
        now = len(self.labels) == self.at
        if now and self.before is not None:
            self._act(self.before, label)
        answer = call()
        if now and self.after is not None:
            self._act(self.after, label)
        return answer

    def _act(self, act: Act, label: str) -> None:
        self.fired, self.paused = True, True
        try:
            act(label)
        finally:
            self.paused = False


class _Tap:
    """A port whose calls are counted. Implements whatever port it is put round."""

    def __init__(self, name: str, port: object, calls: Calls) -> None:
        self._name, self._port, self._calls = name, port, calls

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        return lambda *args, **kwargs: self._calls.around(f"{self._name}.{method}", lambda: real(*args, **kwargs))


def crash(label: str) -> None:
    raise Crash(label)


def lose_answer(label: str) -> None:
    raise Retry("Injected", f"the answer to {label} is lost")


def refuse(label: str) -> None:
    raise Retry("SlowDown", f"{label}: Please reduce your request rate.")
