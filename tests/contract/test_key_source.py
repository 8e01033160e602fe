"""Test how keys are read from where issuers publish them. One suite runs over memory and real HTTPS, and further tests
show what only a network can do."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.keysource import HttpsKeySource
from chalicelib.core.errors import EftError, Permanent, Retry
from chalicelib.core.keys import ANSWER_MAX_BYTES
from chalicelib.ports import KeySource
from simulation.memory.keysource import MemoryKeySource
from tests.servers.https import PathServer, path_server

TIMEOUT_S = 1.0


@pytest.fixture
def issuer(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[PathServer]:
    """Yield an issuer whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with path_server(certificate) as issuer:
        yield issuer


@pytest.fixture
def source() -> HttpsKeySource:
    return HttpsKeySource(timeout_s=TIMEOUT_S)


# --- what every source does ---------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "https"])
def published(request: pytest.FixtureRequest, issuer: PathServer, source: HttpsKeySource) -> tuple[KeySource, str]:
    """Return a source, and the URL at which b"keys" is published."""
    if request.param == "memory":
        return MemoryKeySource({f"{issuer.url}/keys": lambda: b"keys"}), f"{issuer.url}/keys"
    issuer.answer("/missing", 404, b"no")
    return source, issuer.answer("/keys", body=b"keys")


def test_what_is_published_is_given_as_it_is(published: tuple[KeySource, str]) -> None:
    source, url = published
    assert source.fetch(url) == b"keys"
    assert source.fetch(url) == b"keys"


def test_nothing_is_published(published: tuple[KeySource, str]) -> None:
    source, url = published
    with pytest.raises(Permanent):
        source.fetch(url.replace("/keys", "/missing"))


# --- what the network does ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(source: HttpsKeySource, issuer: PathServer, status: int) -> None:
    elsewhere = issuer.answer("/elsewhere", body=b"evil")
    url = issuer.answer("/keys", status, b"", Location=elsewhere)
    with pytest.raises(Permanent, match=str(status)):
        source.fetch(url)
    assert issuer.requested == ["/keys"]


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 429, 500, 503])
def test_anything_but_200_is_no_answer(source: HttpsKeySource, issuer: PathServer, status: int) -> None:
    body = b"" if status == 204 else b'{"keys": []}'
    with pytest.raises(EftError, match=str(status)):
        source.fetch(issuer.answer("/keys", status, body))


def test_as_much_as_is_allowed(source: HttpsKeySource, issuer: PathServer) -> None:
    body = b"x" * ANSWER_MAX_BYTES
    assert source.fetch(issuer.answer("/keys", body=body)) == body


def test_a_huge_answer_is_not_read_to_its_end(source: HttpsKeySource, issuer: PathServer) -> None:
    sent = issuer.answer_without_end("/keys")
    with pytest.raises(Permanent, match="KeysTooLarge"):
        source.fetch(f"{issuer.url}/keys")
    assert len(sent) < 1000


def test_a_small_answer_that_unpacks_to_a_huge_one_stays_small(source: HttpsKeySource, issuer: PathServer) -> None:
    url = issuer.answer("/keys", body=b"\x1f\x8b packed", Content_Encoding="gzip")
    assert source.fetch(url) == b"\x1f\x8b packed"


@pytest.mark.parametrize("before", ["anything", "the body", "its end"])
def test_an_issuer_that_takes_its_time(source: HttpsKeySource, issuer: PathServer, before: str) -> None:
    """The issuer stops, or sends a byte now and then."""
    over = threading.Event()

    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        if before == "anything":
            over.wait(30)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.flush()
        while before == "its end" and not over.wait(0.1):
            handler.wfile.write(b" ")
            handler.wfile.flush()
        over.wait(30)

    issuer.paths["/keys"] = slow
    began_s = time.monotonic()
    with pytest.raises(Retry):
        source.fetch(f"{issuer.url}/keys")
    assert time.monotonic() - began_s < 15, "it did not wait for the issuer"
    over.set()


def test_an_issuer_that_hangs_up(source: HttpsKeySource, issuer: PathServer) -> None:
    def hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")

    issuer.paths["/keys"] = hang_up
    with pytest.raises(Retry):
        source.fetch(f"{issuer.url}/keys")


def test_nobody_listens(source: HttpsKeySource) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Retry):
            source.fetch(f"https://127.0.0.1:{bound.getsockname()[1]}/keys")


def test_a_name_that_there_is_not(source: HttpsKeySource) -> None:
    with pytest.raises(Retry):
        source.fetch("https://issuer.invalid/keys")


def test_a_certificate_that_nobody_trusts(issuer: PathServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        HttpsKeySource(timeout_s=TIMEOUT_S).fetch(issuer.answer("/keys", body=b"keys"))
    assert issuer.requested == []


def test_a_certificate_of_another_name(source: HttpsKeySource, issuer: PathServer) -> None:
    url = issuer.answer("/keys", body=b"keys").replace("127.0.0.1", "localhost")
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        source.fetch(url)
    assert issuer.requested == []


@pytest.mark.parametrize("scheme", ["http", "HTTP", "file", "ftp", ""])
def test_only_https(source: HttpsKeySource, scheme: str) -> None:
    """This holds on this machine too: there is no exception that somebody could abuse."""
    with path_server(None) as plain:
        url = plain.answer("/keys", body=b"keys")
        with pytest.raises(Permanent, match="only https"):
            source.fetch(url.replace("http", scheme, 1))
        assert plain.requested == []
