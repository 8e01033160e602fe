"""Send all kinds of requests to a living Region's API, again and again, while the other Region is in trouble."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from local.drill.customer import now_ms
from local.drill.model import Asked

_GATEWAY_S = 30.0
"""Time limit of a request in seconds. API Gateway gives up after 29 s."""
_EVERY_S = 0.2
_PASSING_S = 1.0
Inquiry = tuple[str, str, Mapping[str, Any] | None]
"""Method, path, body."""


class Inquirer(threading.Thread):
    def __init__(self, api_url: str, token: str, inquiries: Sequence[Inquiry]) -> None:
        super().__init__(name="inquirer", daemon=True)
        self.asked: list[Asked] = []
        self._inquiries = inquiries
        self._leaving = threading.Event()
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "inquiry"}
        self._http = httpx.Client(base_url=api_url, headers=headers, timeout=_GATEWAY_S, trust_env=False)

    def leave(self) -> list[Asked]:
        """Stop, and return all requests once the last answer is there."""
        self._leaving.set()
        self.join()
        return self.asked

    def run(self) -> None:
        with self._http:
            while not self._leaving.is_set():
                for inquiry in self._inquiries:
                    if not self._leaving.wait(_EVERY_S):
                        self._ask(*inquiry)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        sent_ms = now_ms()
        try:
            answer = str(self._http.request(method, path, json=body).status_code)
        except httpx.TransportError as error:
            answer = type(error).__name__
        self.asked.append(Asked(sent_ms, now_ms() - sent_ms, f"{method} {path}", answer))


class Passer(threading.Thread):
    """Stands for clients that come all the time and look the name up, even while earlier clients still wait for an
    answer. Its requests time out soon, and its answers are not judged."""

    def __init__(self, api_url: str) -> None:
        super().__init__(name="passer", daemon=True)
        self._leaving = threading.Event()
        self._http = httpx.Client(base_url=api_url, timeout=_PASSING_S, trust_env=False)

    def leave(self) -> None:
        self._leaving.set()
        self.join()

    def run(self) -> None:
        with self._http:
            while not self._leaving.wait(_EVERY_S):
                with contextlib.suppress(httpx.TransportError):
                    self._http.get("/health")
