"""Record what happened, for people. It is kept only when a seed is played again to be inspected."""

from typing import Any

from chalicelib.core.errors import EftError
from chalicelib.core.objects import Bucket
from chalicelib.ports import UploadRef
from simulation.run.faults import Fault
from simulation.run.scheduler import Process

_WIDTH = 110


class Trace:
    def __init__(self, now_ms: Any, *, kept: bool = False) -> None:
        self._now_ms = now_ms
        self.kept = kept
        self.lines: list[str] = []

    def event(self, text: str) -> None:
        if self.kept:
            self._add("--", text)

    def call(self, process: Process, call: str, args: tuple[Any, ...], answer: Any) -> None:
        if self.kept:
            self._add(process.label, f"{call} {_arguments(args)} -> {_answer(answer)}")

    def fault(self, process: Process, call: str, args: tuple[Any, ...], fault: Fault) -> None:
        if self.kept:
            self._add(process.label, f"*** {fault}: {call} {_arguments(args)}")

    def log(self, process: Process, event: str, fields: dict[str, Any]) -> None:
        if self.kept:
            text = " ".join(f"{name}={value}" for name, value in fields.items() if name != "trace")
            self._add(process.label, f"    log {event} {text}")

    def _add(self, label: str, text: str) -> None:
        self.lines.append(f"{self._now_ms() / 1000:10.3f} {label:20} {text}")


def _arguments(args: tuple[Any, ...]) -> str:
    texts = []
    for arg in args:
        if isinstance(arg, Bucket):
            texts.append(arg.name)
        elif isinstance(arg, UploadRef):
            texts.append(f"{arg.upload_id} of {arg.bucket.name}/{arg.key}")
        elif isinstance(arg, bytes):
            texts.append(arg[:60].decode(errors="replace"))
        else:
            texts.append(str(arg))
    return _short(" ".join(texts))


def _answer(answer: Any) -> str:
    if isinstance(answer, EftError):
        return f"{type(answer).__name__} {_short(str(answer))}"
    return _short(answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer))


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
