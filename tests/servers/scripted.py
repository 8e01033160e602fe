"""Run an HTTP server that gives the answers of a script in order, and counts the requests. It can give answers that no
real store gives on demand."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. With a `length` other than the body's it breaks off. With `status` 0 the server closes the connection
    instead."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


def error(status: int, code: str) -> Answer:
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>scripted</Message></Error>"
    return Answer(status, xml.encode(), {"Content-Type": "application/xml"})


@dataclass(slots=True)
class ScriptedServer:
    url: str
    script: list[Answer]
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Each request is its method, path with query, and headers (names in lower case)."""
    bodies: list[bytes] = field(default_factory=list)
    """These are the bodies of the same requests."""


@contextmanager
def scripted_server(*script: Answer) -> Iterator[ScriptedServer]:
    """Start the server. It repeats the last answer for ever."""
    server: ScriptedServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append((self.command, self.path, headers))
            server.bodies.append(body)
            answer = server.script.pop(0) if len(server.script) > 1 else server.script[0]
            self.close_connection = answer.length is not None or answer.status == 0
            if answer.status == 0:
                return
            self.send_response_only(answer.status)
            if "Date" not in answer.headers:
                self.send_header("Date", self.date_time_string())
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any  # noqa: N815 - http.server names them so

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = ScriptedServer(f"http://127.0.0.1:{http.server_port}", list(script))
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
