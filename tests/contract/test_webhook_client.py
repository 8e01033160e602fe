"""Test posts to tenants' servers. One suite runs over memory and real TLS, and further tests show what only a network
can do."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.webhook_client import HttpsWebhookClient
from chalicelib.core.errors import Retry
from chalicelib.ports import Reply, WebhookClient
from simulation.memory.webhook_client import MemoryWebhookClient
from tests.servers.https import PathServer, path_server

TIMEOUT_S = 1.0
LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1"}
BODY = b'{"type":"webhook.test"}'


@pytest.fixture
def receiver(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[PathServer]:
    """Yield a receiver whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with path_server(certificate) as receiver:
        yield receiver


@pytest.fixture
def webhook_client() -> HttpsWebhookClient:
    return HttpsWebhookClient(LOOPBACK, timeout_s=TIMEOUT_S)


# --- what every webhook client does ---------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "https"])
def posting(
    request: pytest.FixtureRequest, receiver: PathServer, webhook_client: HttpsWebhookClient
) -> tuple[WebhookClient, str]:
    """Return a webhook client, and the URL of a receiver that answers 503 and asks for a minute's pause."""
    url = receiver.answer("/hook", 503, Retry_After="60")
    if request.param == "memory":
        return MemoryWebhookClient({url: lambda _: Reply(503, 60_000)}), url
    return webhook_client, url


def test_every_status_is_an_answer(posting: tuple[WebhookClient, str]) -> None:
    webhook_client, url = posting
    assert webhook_client.post(url, HEADERS, BODY) == Reply(503, 60_000)


def test_nobody_listens_there(posting: tuple[WebhookClient, str]) -> None:
    webhook_client, _ = posting
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Retry):
            webhook_client.post(f"https://127.0.0.1:{bound.getsockname()[1]}/hook", HEADERS, BODY)


# --- what arrives -------------------------------------------------------------------------------------------------


def test_what_is_posted_arrives(webhook_client: HttpsWebhookClient, receiver: PathServer) -> None:
    url = receiver.answer("/a//b", 204)
    assert webhook_client.post(f"{url}?token=x%20y&z", HEADERS, BODY) == Reply(204)
    [(path, headers, body)] = receiver.requests
    assert (path, body) == ("/a//b?token=x%20y&z", BODY)
    assert headers.items() >= HEADERS.items()
    assert headers["host"] == receiver.url.removeprefix("https://")


def test_a_url_without_a_path(webhook_client: HttpsWebhookClient, receiver: PathServer) -> None:
    receiver.answer("/")
    assert webhook_client.post(receiver.url, HEADERS, BODY).status == 200


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 503])
def test_a_redirection_is_not_followed_nor_anything_else(
    webhook_client: HttpsWebhookClient, receiver: PathServer, status: int
) -> None:
    elsewhere = receiver.answer("/elsewhere")
    assert webhook_client.post(receiver.answer("/hook", status, Location=elsewhere), HEADERS, BODY).status == status
    assert receiver.requested == ["/hook"]


@pytest.mark.parametrize(
    ("value", "asked_ms"),
    [("0", 0), ("120", 120_000), ("9" * 50, 999_999_999_000), ("soon", None), ("-1", None), ("1.5", None), ("", None)],
)
def test_a_pause_that_is_asked_for(
    webhook_client: HttpsWebhookClient, receiver: PathServer, value: str, asked_ms: int | None
) -> None:
    assert webhook_client.post(receiver.answer("/hook", 429, Retry_After=value), HEADERS, BODY) == Reply(429, asked_ms)


def test_a_pause_until_a_time(webhook_client: HttpsWebhookClient, receiver: PathServer) -> None:
    def until(text: str) -> int | None:
        return webhook_client.post(receiver.answer("/hook", 503, Retry_After=text), HEADERS, BODY).retry_after_ms

    assert until("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    asked_ms = until("Thu, 01 Jan 2099 00:00:00 GMT")
    assert asked_ms is not None
    assert asked_ms > 365 * 24 * 3_600_000


# --- receivers in trouble, or up to no good -----------------------------------------------------------------------


def test_a_huge_answer_is_not_read(webhook_client: HttpsWebhookClient, receiver: PathServer) -> None:
    sent = receiver.answer_without_end("/hook")
    assert webhook_client.post(f"{receiver.url}/hook", HEADERS, BODY).status == 200
    assert len(sent) < 1000


@pytest.mark.parametrize("stage", ["nothing", "the status", "headers", "more and more 1xx"])
def test_a_receiver_that_takes_its_time(webhook_client: HttpsWebhookClient, receiver: PathServer, stage: str) -> None:
    """The receiver stops, or sends a little now and then. A timeout for a single wait would not notice that."""
    over = threading.Event()
    drops = {"nothing": b"", "the status": b"H", "headers": b"a: b\r\n", "more and more 1xx": b"HTTP/1.1 100 x\r\n\r\n"}

    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        try:
            if stage == "headers":
                handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.1):
                handler.wfile.write(drops[stage])
                handler.wfile.flush()
        except OSError:
            pass

    receiver.paths["/hook"] = slow
    began_s = time.monotonic()
    with pytest.raises(Retry, match="no answer in 5 s"):
        webhook_client.post(f"{receiver.url}/hook", HEADERS, BODY)
    assert time.monotonic() - began_s < 10, "it did not wait for the receiver"
    over.set()


def test_a_receiver_that_says_nothing_at_all(webhook_client: HttpsWebhookClient) -> None:
    """The receiver takes the connection and never shakes hands."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Retry, match="no answer in 5 s"):
            webhook_client.post(f"https://127.0.0.1:{silent.getsockname()[1]}/hook", HEADERS, BODY)


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200]
)
def test_a_receiver_that_speaks_otherwise(
    webhook_client: HttpsWebhookClient, receiver: PathServer, answer: bytes
) -> None:
    def speak(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)

    receiver.paths["/hook"] = speak
    with pytest.raises(Retry):
        webhook_client.post(f"{receiver.url}/hook", HEADERS, BODY)


def test_a_certificate_that_nobody_trusts(receiver: PathServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Retry, match="its certificate is not accepted"):
        HttpsWebhookClient(LOOPBACK, timeout_s=TIMEOUT_S).post(receiver.answer("/hook"), HEADERS, BODY)
    assert receiver.requests == []


def test_a_certificate_of_another_name(webhook_client: HttpsWebhookClient, receiver: PathServer) -> None:
    """The address is the one of the certificate, but only the name counts."""
    url = receiver.answer("/hook").replace("127.0.0.1", "localhost")
    with pytest.raises(Retry, match="its certificate is not accepted"):
        webhook_client.post(url, HEADERS, BODY)
    assert receiver.requests == []


# --- where nobody may send us -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1"])
def test_what_is_not_the_public_internet_is_not_connected_to(receiver: PathServer, host: str) -> None:
    url = receiver.answer("/hook").replace("127.0.0.1", host)
    began_s = time.monotonic()
    with pytest.raises(Retry, match="public internet"):
        HttpsWebhookClient(timeout_s=30).post(url, HEADERS, BODY)
    assert time.monotonic() - began_s < 10
    assert receiver.requests == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    receiver: PathServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that gives another answer the second time (DNS rebinding) isn't asked a second time."""
    lookups: list[object] = []
    really = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        lookups.append(host)
        if host != "rebinding.example":
            return really(host, *rest, **more)
        return really("127.0.0.1" if lookups.count(host) == 1 else "127.0.0.2", *rest, **more)

    url = receiver.answer("/hook").replace("127.0.0.1", "rebinding.example")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    # The certificate belongs to 127.0.0.1. The receiver is reached, and is asked for the name.
    with pytest.raises(Retry, match=r"not valid for 'rebinding\.example'"):
        HttpsWebhookClient(LOOPBACK, timeout_s=TIMEOUT_S).post(url, HEADERS, BODY)
    assert lookups == ["rebinding.example", "127.0.0.1"]


def test_a_name_of_several_addresses(receiver: PathServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some addresses may not be called, and some lead nowhere: one that answers is enough."""
    really = socket.getaddrinfo
    connected: list[object] = []
    really_connect = socket.create_connection

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        if host != "several.example":
            return really(host, *rest, **more)
        return [
            resolved
            for address in ("10.0.0.1", "127.0.0.9", "127.0.0.1")
            for resolved in really(address, *rest, **more)
        ]

    def connect(address: tuple[str, int], *rest: Any) -> socket.socket:
        connected.append(address[0])
        return really_connect(address, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    url = receiver.answer("/hook").replace("127.0.0.1", "several.example")
    with pytest.raises(Retry, match=r"not valid for 'several\.example'"):
        HttpsWebhookClient(LOOPBACK, timeout_s=TIMEOUT_S).post(url, HEADERS, BODY)
    assert connected == ["127.0.0.9", "127.0.0.1"]


def test_a_name_that_there_is_not(webhook_client: HttpsWebhookClient) -> None:
    with pytest.raises(Retry):
        webhook_client.post("https://receiver.invalid/hook", HEADERS, BODY)


def test_only_https(webhook_client: HttpsWebhookClient, receiver: PathServer) -> None:
    with pytest.raises(Retry, match="only https"):
        webhook_client.post(receiver.answer("/hook").replace("https", "http"), HEADERS, BODY)
    assert receiver.requests == []


def test_no_thread_stays_behind(webhook_client: HttpsWebhookClient, receiver: PathServer) -> None:
    url = receiver.answer("/hook")
    for _ in range(3):
        webhook_client.post(url, HEADERS, BODY)
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in timers:
        timer.join(TIMEOUT_S / 2)
    assert not any(timer.is_alive() for timer in timers), "they were cancelled"
