"""Every client gives up within its budget on a server that does not answer. It tries a call again that the server
answered with a passing error."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import chalicelib
from chalicelib import runtime, settings
from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.core.budgets import CallBudgets, Caller
from chalicelib.core.errors import EftError, NoAnswer, Retry
from chalicelib.core.leases import Observation
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import Policy
from chalicelib.ports import CopyPartition, Delivery, Env, SourceRef, UploadRef
from chalicelib.ports.store import Placement
from tests.entry.environ import EAST, WEST, environ
from tests.servers.scripted import Answer, error, scripted_server
from tests.servers.silent import SilentServer, silent_server

READ_MS = 300
POLICY = (
    f'{{"own_connect_ms": 200, "own_read_ms": {READ_MS}, "peer_connect_ms": 200, "peer_read_ms": {READ_MS}, '
    f'"count_connect_ms": 200, "count_read_ms": {READ_MS}, "worker_connect_ms": 200, "worker_read_ms": {READ_MS}, '
    f'"copy_read_ms": {READ_MS}}}'
)
OWN, PEER = Bucket("control-west", WEST), Bucket("control-east", EAST)
UPLOAD = UploadRef(PEER, "k", "upload")
LOST = Delivery("f", "k", "p", "t", 1, "e", None, DeliveryStatus.FAILED, None, "", None, None, WEST, 0)
CALLS: dict[str, Callable[[Env], object]] = {
    "head": lambda env: env.store.head(OWN, "k"),
    "head of the peer": lambda env: env.store.head(PEER, "k"),
    "list": lambda env: env.store.list(PEER, ""),
    "get": lambda env: env.store.get(PEER, "k"),
    "create": lambda env: env.store.create(PEER, "k", b""),
    "overwrite": lambda env: env.store.overwrite(PEER, "k", b""),
    "delete": lambda env: env.store.delete(PEER, "k"),
    "copy": lambda env: env.store.copy(SourceRef(OWN, "k", "e"), PEER, "k", None, Placement()),
    "complete": lambda env: env.store.complete(UPLOAD, [], None, 1, None),
    "list uploads": lambda env: env.store.list_uploads(PEER, ""),
    "describe": lambda env: env.store.describe(PEER),
    "table read": lambda env: env.ledger.get_observation("j", "s", WEST),
    "table query": lambda env: env.ledger.region_heartbeats(),
    "table write": lambda env: env.ledger.put_observation(Observation("j", "s", WEST, "x", 1)),
    "count": lambda env: env.ledger.count_request("t", WEST, 0),
    "registry": lambda env: env.registry.changes("t", None, 1),
    "queue": lambda env: env.queue.send([CopyPartition("j", WEST, "p")]),
    "event bus": lambda env: env.notifier.delivery_failed("t", "f", LOST),
}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentServer]:
    with silent_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        yield server


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("caller", [Caller.SWEEP, Caller.API, Caller.WORKER])
def test_a_call_that_nobody_answers_ends_within_its_budget(silent: SilentServer, caller: Caller, call: str) -> None:
    """The clients are made as the composition root makes them: one connection, one wait."""
    env = runtime.compose(settings.read(environ(EFT_POLICY=POLICY)), {}, caller)
    began_s = time.monotonic()
    with pytest.raises(NoAnswer):
        CALLS[call](env)
    took_ms = (time.monotonic() - began_s) * 1000
    assert took_ms >= READ_MS - 50
    assert silent.connections == 1


def test_defaults_of_sweep_and_api() -> None:
    for caller in (Caller.SWEEP, Caller.API):
        budgets = CallBudgets(Policy(), caller, WEST)
        assert (budgets.call(EAST).connect_ms, budgets.call(EAST).read_ms) == (1_000, 2_000)
        assert budgets.copy(EAST) == budgets.call(EAST)
        assert budgets.own.whole_ms <= 3_000
    assert CallBudgets(Policy(), Caller.WORKER, WEST).copy(EAST).read_ms == 300_000


def store_at(url: str) -> S3ObjectStore:
    return S3ObjectStore(None, url)


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("refused", [error(503, "SlowDown"), error(500, "InternalError"), error(429, "TooMany")])
def test_what_was_refused_is_tried_again(refused: Answer) -> None:
    with scripted_server(refused, refused, Answer(200, b"body")) as server:
        assert store_at(server.url).get(OWN, "k") == b"body"
        assert len(server.requests) == 3


@pytest.mark.usefixtures("_keys")
def test_but_not_for_ever() -> None:
    with scripted_server(error(503, "SlowDown")) as server:
        with pytest.raises(Retry):
            store_at(server.url).get(OWN, "k")
        assert len(server.requests) == 3


@pytest.mark.usefixtures("_keys")
def test_a_connection_that_was_closed_at_once_is_made_again_once() -> None:
    """A function that was frozen may have kept such a connection."""
    with scripted_server(Answer(0), Answer(200, b"body")) as server:
        assert store_at(server.url).get(OWN, "k") == b"body"
    with scripted_server(Answer(0)) as server:
        with pytest.raises(NoAnswer):
            store_at(server.url).get(OWN, "k")
        assert len(server.requests) == 2


@pytest.mark.usefixtures("_keys")
def test_a_refusal_for_good_is_not_tried_again() -> None:
    with scripted_server(error(403, "AccessDenied")) as server:
        with pytest.raises(EftError):
            store_at(server.url).get(OWN, "k")
        assert len(server.requests) == 1


def test_clients_are_made_in_one_place() -> None:
    """A client that is made elsewhere has botocore's budget: 60 s, five times."""
    root = Path(chalicelib.__file__).parent
    makers = {path.name for path in root.rglob("*.py") if ".client(" in path.read_text()}
    assert makers == {"clients.py"}
