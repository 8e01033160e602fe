"""Make all AWS clients, each with a time budget for its calls.

A call that got no answer is not retried here. A call is retried after an answer (throttled, a 5xx), and after its
connection was closed at once, as happens to one that a frozen function has kept for too long. Neither costs much time.
Only calls that are harmless to repeat are retried: a hidden retry of a conditional write turns one's own success into a
412.
"""

import random
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from chalicelib.adapters import aws_errors, s3_errors
from chalicelib.core.budgets import Budget
from chalicelib.core.errors import Retry

TRIES = 3
"""The number of attempts of a call that is harmless to repeat."""
PAUSE_S = 0.1
"""Average pause, in seconds, before a refused call is retried; doubled each time."""


def config_of(budget: Budget, connections: int) -> Config:
    return Config(
        connect_timeout=budget.connect_ms / 1000,
        read_timeout=budget.read_ms / 1000,
        max_pool_connections=connections,
        tcp_keepalive=True,
        # botocore's own retries can't tell a missing answer from a refusal.
        retries={"mode": "standard", "total_max_attempts": 1},
    )


def make_client(
    service: str,
    region: str,
    budget: Budget,
    *,
    connections: int = 16,
    tries: int = TRIES,
    session: boto3.Session | None = None,
    endpoint_url: str | None = None,
    more: Config | None = None,
) -> Any:  # noqa: ANN401 - any of boto3's clients
    """Make a client that tries each call at most `tries` times. `more` holds settings of the service's own."""
    config = config_of(budget, connections)
    boto_session: Any = session or boto3.Session()
    client = boto_session.client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        config=config.merge(more) if more else config,
    )
    if tries > 1:
        client.meta.events.register("needs-retry", _RetryRule(service, tries))
    return client


class _RetryRule:
    """Answers botocore's question whether to retry: returns the pause in seconds, or None for no retry."""

    def __init__(self, service: str, tries: int) -> None:
        self._translate = s3_errors.translate if service == "s3" else aws_errors.translate
        self._tries = tries

    def __call__(
        self,
        response: tuple[Any, Any] | None,
        attempts: int,
        caught_exception: Exception | None,
        **_: object,
    ) -> float | None:
        if attempts >= self._tries:
            return None
        if response is None:
            closed = isinstance(caught_exception, ConnectionClosedError)
            return 0 if closed and attempts == 1 else None
        http, parsed = response
        if http.status_code < 400 and "Error" not in parsed:
            return None
        refusal = self._translate(ClientError(parsed, ""))
        return 2 * random.random() * PAUSE_S * 2 ** (attempts - 1) if isinstance(refusal, Retry) else None
