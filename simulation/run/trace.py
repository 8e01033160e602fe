"""Record what happened, for people. It is kept only when a seed is played again to be inspected."""

from typing import Any

from chalicelib.core.errors import EftError
from chalicelib.core.model import Bucket
from chalicelib.ports import UploadRef
from simulation.run.faults import Fault
from simulation.run.scheduler import Process

_WIDTH = 110


class Trace:
    def __init__(self, now: Any, *, kept: bool = False) -> None:
        self._now = now
        self.kept = kept
        self.lines: list[str] = []

    def event(self, text: str) -> None:
        if self.kept:
            self._add("--", text)

    def call(self, process: Process, call: str, args: tuple[Any, ...], answer: Any) -> None:
        if self.kept:
            self._add(process.label, f"{call} {_what(args)} -> {_answer(answer)}")

    def fault(self, process: Process, call: str, args: tuple[Any, ...], fault: Fault) -> None:
        if self.kept:
            self._add(process.label, f"*** {fault}: {call} {_what(args)}")

    def log(self, process: Process, event: str, fields: dict[str, Any]) -> None:
        if self.kept:
            told = " ".join(f"{name}={value}" for name, value in fields.items() if name != "trace")
            self._add(process.label, f"    log {event} {told}")

    def _add(self, who: str, text: str) -> None:
        self.lines.append(f"{self._now() / 1000:10.3f} {who:20} {text}")


def _what(args: tuple[Any, ...]) -> str:
    shown = []
    for arg in args:
        if isinstance(arg, Bucket):
            shown.append(arg.name)
        elif isinstance(arg, UploadRef):
            shown.append(f"{arg.upload_id} of {arg.bucket.name}/{arg.key}")
        elif isinstance(arg, bytes):
            shown.append(arg[:60].decode(errors="replace"))
        else:
            shown.append(str(arg))
    return _short(" ".join(shown))


def _answer(answer: Any) -> str:
    if isinstance(answer, EftError):
        return f"{type(answer).__name__} {_short(str(answer))}"
    return _short(answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer))


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
