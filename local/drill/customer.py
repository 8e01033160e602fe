"""Play a customer of the one API name. The customer submits, polls, and repeats requests that failed, and knows nothing
of a failover."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from local.drill.model import Asked, View
from local.drill.times import CLIENT_TIMEOUT_S

_TERMINAL = {"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Customer(threading.Thread):
    """Runs until its job is terminal, or `leave` is called. Its fields may be read at any time."""

    def __init__(self, api_url: str, token: str, body: dict[str, Any], key: str, every_s: float = 0.5) -> None:
        super().__init__(name=f"customer {key}", daemon=True)
        self.key = key
        self.body = body
        self.views: list[View] = []
        self.ids: list[str] = []
        self.errors: list[tuple[int, str]] = []
        self.requests: list[Asked] = []
        self.settled_at: str | None = None
        self._every_s = every_s
        self._leaving = threading.Event()
        self._http = httpx.Client(
            base_url=api_url, headers={"Authorization": f"Bearer {token}"}, timeout=CLIENT_TIMEOUT_S, trust_env=False
        )

    @property
    def last(self) -> View | None:
        return self.views[-1] if self.views else None

    @property
    def settled(self) -> bool:
        view = self.last
        return view is not None and view.state in _TERMINAL

    def leave(self) -> None:
        self._leaving.set()

    def run(self) -> None:
        with self._http:
            while not self._leaving.is_set() and not self.settled:
                # A submission that may not have been received is repeated under the same key, as the docs tell
                # customers.
                if self._submit():
                    self._follow()
                self._leaving.wait(self._every_s)
            if self.settled:
                # The customer doesn't know that another Region may answer now: the key must still mean the same job.
                while not self._leaving.is_set() and not self._submit():
                    self._leaving.wait(self._every_s)

    def _submit(self) -> bool:
        headers = {"Idempotency-Key": self.key}
        answer = self._ask(lambda: self._http.post("/jobs", json=self.body, headers=headers))
        if answer is None:
            return False
        self.ids.append(str(answer["id"]))
        self._note(answer)
        return True

    def _follow(self) -> None:
        """Poll until the job is settled or a request fails."""
        while not self._leaving.is_set() and not self.settled:
            answer = self._ask(lambda: self._http.get(f"/jobs/{self.ids[-1]}"))
            if answer is None:
                return
            self._note(answer)
            self._leaving.wait(self._every_s)

    def _note(self, body: dict[str, Any]) -> None:
        progress = body["progress"]
        self.settled_at = body["settled_at"] or self.settled_at
        self.views.append(
            View(now_ms(), str(body["id"]), str(body["state"]), progress["objects_done"], progress["bytes_done"])
        )

    def _ask(self, send: Callable[[], httpx.Response]) -> dict[str, Any] | None:
        sent_ms = now_ms()
        try:
            answer = send()
        except httpx.TransportError as error:
            self.errors.append((now_ms(), type(error).__name__))
            self.requests.append(Asked(sent_ms, now_ms() - sent_ms, self.key, type(error).__name__))
            return None
        self.requests.append(Asked(sent_ms, now_ms() - sent_ms, self.key, str(answer.status_code)))
        if not answer.is_success:
            self.errors.append(
                (
                    now_ms(),
                    f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:200]}",
                )
            )
            return None
        decoded: dict[str, Any] = answer.json()
        return decoded
