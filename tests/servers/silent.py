"""Run a server that accepts connections and never answers. The socket is real, but nothing reads from it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread


@dataclass(slots=True)
class SilentServer:
    url: str
    connections: int = 0


@contextmanager
def silent_server() -> Iterator[SilentServer]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        server = SilentServer(f"http://127.0.0.1:{listening.getsockname()[1]}")
        held: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    held.append(listening.accept()[0])
                    server.connections += 1

        thread = Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()
