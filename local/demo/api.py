"""Call the product's REST API as a customer does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import httpx

from local.demo.model import DemoError

Json = dict[str, Any]

_TRIES = 4
_PAUSE_S = 0.5
_PAGE = 1000


class Api:
    """A client of the API. It repeats GETs, and POSTs with their Idempotency-Key, where AWS itself may be slow to
    answer."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False, transport=transport)
        self._pause = pause
        self.repeated = 0
        """Number of requests that had to be repeated."""

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def submit(self, body: Json, idempotency_key: str) -> Json:
        headers = {"Idempotency-Key": idempotency_key}
        return self._answer(lambda: self._http.post("/jobs", json=body, headers=headers))

    def job(self, job_id: str) -> Json:
        return self._answer(lambda: self._http.get(f"/jobs/{job_id}"))

    def objects(self, job_id: str) -> Iterator[Json]:
        """Yield every row, page by page."""
        params: dict[str, str | int] = {"limit": _PAGE}
        while True:
            page = self._answer(lambda: self._http.get(f"/jobs/{job_id}/objects", params=params))
            yield from page["objects"]
            if page["next_cursor"] is None:
                return
            params["cursor"] = page["next_cursor"]

    def _answer(self, send: Callable[[], httpx.Response]) -> Json:
        for tries_left in reversed(range(_TRIES)):
            try:
                answer = send()
            except httpx.TransportError as error:
                if tries_left == 0:
                    raise DemoError(f"the API does not answer: {error!r}") from error
            else:
                if answer.is_success:
                    decoded: Json = answer.json()
                    return decoded
                if answer.status_code < 500 or tries_left == 0:
                    request = f"{answer.request.method} {answer.request.url.path}"
                    raise DemoError(f"the API refused {request}: {answer.status_code} {answer.text[:500]}")
            self.repeated += 1
            self._pause(_PAUSE_S)
        raise AssertionError("the last try returns or raises")
