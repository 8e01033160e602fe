"""Calls at the ports, numbered, so that a test can put trouble before or after the n-th one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.errors import Retry


class Crash(BaseException):
    """The process dies here. No `except Exception` may survive it, because none survives a SIGKILL."""


Act = Callable[[str], object]


@dataclass(slots=True)
class Calls:
    """Every call that the product makes at a port, by its label (`store.copy`, `ledger.put_lease`), in order.

    `before` and `after` run once, before and after the n-th call that `is_counted` picks. The calls that they make
    themselves are not counted.
    """

    labels: list[str] = field(default_factory=list)
    is_counted: Callable[[str], bool] = lambda label: True
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
        is_counted: Callable[[str], bool] | None = None,
    ) -> None:
        """Let something happen at the n-th call from now on."""
        self.labels.clear()
        self.at, self.before, self.after, self.fired = at, before, after, False
        if is_counted is not None:
            self.is_counted = is_counted

    def around(self, label: str, call: Callable[[], Any]) -> Any:
        if self.paused or not self.is_counted(label):
            return call()
        self.labels.append(label)
        is_nth = len(self.labels) == self.at
        if is_nth and self.before is not None:
            self._act(self.before, label)
        answer = call()
        if is_nth and self.after is not None:
            self._act(self.after, label)
        return answer

    def _act(self, act: Act, label: str) -> None:
        self.fired, self.paused = True, True
        try:
            act(label)
        finally:
            self.paused = False


class _Tap:
    """A port whose calls are counted. It implements the port that it wraps."""

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
