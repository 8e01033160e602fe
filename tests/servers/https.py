"""Run an HTTPS server that answers each path as a test tells it to."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from local.keyserver import QuietServer

Respond = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class PathServer:
    """`requests` holds the path, headers (names in lower case) and body of each request."""

    url: str
    paths: dict[str, Respond] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def requested(self) -> list[str]:
        """Return the paths of the requests."""
        return [path for path, _, _ in self.requests]

    def answer(self, path: str, status: int = 200, body: bytes | None = None, **headers: str) -> str:
        """Answer a path so from now on, and return its URL. Without a body, no Content-Length is sent."""

        def respond(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            if body is not None:
                handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body or b"")

        self.paths[path] = respond
        return self.url + path

    def answer_without_end(self, path: str) -> list[int]:
        """Answer a path with a body of up to 1,000 pieces, as long as the client takes them. Return the list to which
        the size of each piece is added that was sent."""
        sent: list[int] = []

        def respond(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            try:
                while len(sent) < 1000:
                    handler.wfile.write(b"x" * 65536)
                    sent.append(65536)
            except OSError:
                pass

        self.paths[path] = respond
        return sent


@contextmanager
def path_server(certificate: tuple[Path, Path] | None) -> Iterator[PathServer]:
    """Start the server with a certificate and its private key, or without TLS."""
    paths = PathServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            paths.requests.append((self.path, headers, body))
            paths.paths[self.path.partition("?")[0]](self)

        do_GET = do_POST = do_any  # noqa: N815 - http.server names them so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Write no log."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if certificate is None else "https"
    paths.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield paths
    finally:
        server.shutdown()
        server.server_close()
