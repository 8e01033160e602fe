"""Serve HTTPS on this machine, receive webhook posts and keep them."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from local.keyserver import ADDRESS, STALLED_S, QuietServer

BODY_MAX_BYTES = 1024 * 1024
POLL_S = 0.1


@dataclass(frozen=True)
class Posted:
    """A received post. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: int


class Receiver:
    """Serves from a thread of this process, and so ends with it. `answers` are the statuses of the first answers; all
    later ones are 204."""

    def __init__(self, certificate: Path, private: Path, answers: Sequence[int] = ()) -> None:
        self.posts: list[Posted] = []
        self._answers = list(answers)
        self._lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        self._server = QuietServer((ADDRESS, 0), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="webhook's receiver", daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"https://{ADDRESS}:{self._server.server_address[1]}"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Keep a post and return the status to answer with."""
        with self._lock:
            status = self._answers.pop(0) if self._answers else 204
            self.posts.append(Posted(path, headers, body, status))
            return status

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = STALLED_S

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if length > BODY_MAX_BYTES:
                self.send_error(413)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(self.path, headers, self.rfile.read(length)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler
