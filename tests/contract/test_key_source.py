"""Test how keys are read from where issuers publish them. One suite runs over memory and real HTTPS, and further tests
show what only a network can do."""

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chalicelib.adapters.keysource import HttpsKeySource
from chalicelib.core.errors import EftError, Permanent, Retry
from chalicelib.core.keys import ANSWER_MAX_BYTES
from chalicelib.ports import KeySource
from local.keyserver import QuietServer, certify
from simulation.memory.keysource import MemoryKeySource

TIMEOUT_S = 1.0
Respond = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Issuer:
    """A server that answers each path as the test tells it to."""

    url: str
    paths: dict[str, Respond] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)

    def serve(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        self.paths[path] = respond
        return self.url + path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certify(folder / "certificate.pem", folder / "private.pem")
    return folder / "certificate.pem", folder / "private.pem"


def _server(issuer: Issuer, tls: ssl.SSLContext | None) -> QuietServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requested.append(self.path)
            issuer.paths[self.path](self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = QuietServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def issuer(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Yield an issuer whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    issuer = Issuer("")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = _server(issuer, context)
    issuer.url = f"https://127.0.0.1:{server.server_address[1]}"
    yield issuer
    server.shutdown()
    server.server_close()


@pytest.fixture
def source() -> HttpsKeySource:
    return HttpsKeySource(timeout_s=TIMEOUT_S)


# --- what every source does ---------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "https"])
def published(request: pytest.FixtureRequest, issuer: Issuer, source: HttpsKeySource) -> tuple[KeySource, str]:
    """Return a source, and the URL at which b"keys" is published."""
    if request.param == "memory":
        return MemoryKeySource({f"{issuer.url}/keys": lambda: b"keys"}), f"{issuer.url}/keys"
    issuer.serve("/missing", b"no", 404)
    return source, issuer.serve("/keys", b"keys")


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
def test_a_redirection_is_not_followed(source: HttpsKeySource, issuer: Issuer, status: int) -> None:
    elsewhere = issuer.serve("/elsewhere", b"evil")
    url = issuer.serve("/keys", b"", status, Location=elsewhere)
    with pytest.raises(Permanent, match=str(status)):
        source.fetch(url)
    assert issuer.requested == ["/keys"]


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 429, 500, 503])
def test_anything_but_200_is_no_answer(source: HttpsKeySource, issuer: Issuer, status: int) -> None:
    body = b"" if status == 204 else b'{"keys": []}'
    with pytest.raises(EftError, match=str(status)):
        source.fetch(issuer.serve("/keys", body, status))


def test_as_much_as_is_allowed(source: HttpsKeySource, issuer: Issuer) -> None:
    body = b"x" * ANSWER_MAX_BYTES
    assert source.fetch(issuer.serve("/keys", body)) == body


def test_a_huge_answer_is_not_read_to_its_end(source: HttpsKeySource, issuer: Issuer) -> None:
    sent: list[int] = []

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while len(sent) < 1000:
                handler.wfile.write(b"x" * 65536)
                sent.append(65536)
        except OSError:
            pass

    issuer.paths["/keys"] = endless
    with pytest.raises(Permanent, match="KeysTooLarge"):
        source.fetch(f"{issuer.url}/keys")
    assert len(sent) < 1000


def test_a_small_answer_that_unpacks_to_a_huge_one_stays_small(source: HttpsKeySource, issuer: Issuer) -> None:
    url = issuer.serve("/keys", b"\x1f\x8b packed", Content_Encoding="gzip")
    assert source.fetch(url) == b"\x1f\x8b packed"


@pytest.mark.parametrize("before", ["anything", "the body", "its end"])
def test_an_issuer_that_takes_its_time(source: HttpsKeySource, issuer: Issuer, before: str) -> None:
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


def test_an_issuer_that_hangs_up(source: HttpsKeySource, issuer: Issuer) -> None:
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


def test_a_certificate_that_nobody_trusts(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        HttpsKeySource(timeout_s=TIMEOUT_S).fetch(issuer.serve("/keys", b"keys"))
    assert issuer.requested == []


def test_a_certificate_of_another_name(source: HttpsKeySource, issuer: Issuer) -> None:
    url = issuer.serve("/keys", b"keys").replace("127.0.0.1", "localhost")
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        source.fetch(url)
    assert issuer.requested == []


@pytest.mark.parametrize("scheme", ["http", "HTTP", "file", "ftp", ""])
def test_only_https(source: HttpsKeySource, scheme: str) -> None:
    """This holds on this machine too: there is no exception that somebody could abuse."""
    plain = Issuer("")
    server = _server(plain, None)
    plain.serve("/keys", b"keys")
    with pytest.raises(Permanent, match="only https"):
        source.fetch(f"{scheme}://127.0.0.1:{server.server_address[1]}/keys")
    server.shutdown()
    server.server_close()
    assert plain.requested == []
