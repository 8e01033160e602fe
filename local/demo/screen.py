"""Show the demo's progress: steps with bars on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

_PLAIN_EVERY_S = 3.0
_INDENT = "     "
_NAME_WIDTH = 10
_PLAIN_WIDTH = 100


def count(number: int) -> str:
    return f"{number:,}"


def size(number: float) -> str:
    """Return a size in bytes as a text for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError("the last unit takes every number")


def eta(seconds: float | None) -> str:
    return f"  {seconds:.0f} s to go" if seconds else ""


class Bar:
    """One line of progress."""

    def __init__(self, screen: Screen, progress: Progress, name: str) -> None:
        self._screen = screen
        self._progress = progress
        self._name = name
        self._task: TaskID = progress.add_task(name, total=None, told="")
        self._said_at = time.monotonic()
        self._said = ""

    def show(self, done: int, total: int | None, told: str) -> None:
        """Show the progress. `total` is None as long as it is unknown."""
        self._progress.update(self._task, completed=done, total=total, told=told)
        finished = total is not None and done >= total
        now_s = time.monotonic()
        if not self._screen.live and told != self._said and (finished or now_s - self._said_at >= _PLAIN_EVERY_S):
            self._said, self._said_at = told, now_s
            self._screen.line(f"{self._name:<{_NAME_WIDTH}}{told}")


class Screen:
    """All output of the demo. `seconds` keeps how long each step took, `phases` how long each phase of the start
    took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, markup=False, emoji=False)
        if not self.live:
            self.console.width = _PLAIN_WIDTH  # the width of a log file, which nobody has resized to 80 columns
        self.seconds: dict[str, float] = {}
        self.phases: dict[str, float] = {}
        self._steps = 0

    @property
    def live(self) -> bool:
        return self.console.is_terminal

    @contextmanager
    def step(self, name: str, heading: str) -> Iterator[None]:
        self._steps += 1
        self.console.print()
        self.console.print(Text.assemble((f"{self._steps:>3}  ", "cyan"), (heading, "bold")))
        started_s = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started_s, 2)

    def phase(self, name: str, seconds: float) -> None:
        """Show a phase of the local cloud's start."""
        self.phases[name] = round(seconds, 2)
        self.line(f"{name:<32}{seconds:6.1f} s")

    def line(self, text: str, style: str = "") -> None:
        self.console.print(Text(f"{_INDENT}{text}", style), soft_wrap=True)

    @contextmanager
    def bars(self, *names: str) -> Iterator[list[Bar]]:
        columns = (
            TextColumn(f"{_INDENT}{{task.description:<{_NAME_WIDTH}}}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}", markup=False),
        )
        with Progress(*columns, console=self.console, disable=not self.live) as progress:
            yield [Bar(self, progress, name) for name in names]
