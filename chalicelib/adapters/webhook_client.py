"""Post notifications to tenants' servers.

Their URLs come from outside, so they must not give access to addresses that are only ours. Therefore the address is
resolved here, checked, and then connected to exactly as it was checked.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cached_property
from urllib.parse import urlsplit

from chalicelib.core.errors import Retry
from chalicelib.core.webhooks import Network, may_be_called
from chalicelib.ports import Reply

TIMEOUT_S = 5.0
_HTTPS = 443


class HttpsWebhookClient:
    """Implements `ports.WebhookClient`. It trusts the machine's certificate authorities (SSL_CERT_FILE, as everywhere
    in Python)."""

    def __init__(self, networks: Sequence[Network] = (), timeout_s: float = TIMEOUT_S) -> None:
        self._networks = tuple(networks)
        self._timeout_s = timeout_s

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """The TLS context. It is made when first needed, because most functions never need it."""
        return ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        parsed = urlsplit(url)
        host, port = parsed.hostname or "", parsed.port or _HTTPS
        if parsed.scheme != "https":
            raise Retry("NoAnswer", "only https proves who is told")
        target = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
        try:
            connection = _Pinned(host, port, self._addresses(host, port), self._timeout_s, self._context)
            return self._send(connection, target, headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Retry("NoAnswer", _in_words(error)) from error

    def _send(self, connection: "_Pinned", target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        # The limit is for all waits together, not only for each: a server that sends a byte a second would hold us for
        # ever.
        watchdog = threading.Timer(self._timeout_s, connection.cut)
        watchdog.daemon = True
        watchdog.start()
        try:
            connection.request("POST", target, body, dict(headers))
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise (TimeoutError("timed out") if connection.late else error) from error
        finally:
            watchdog.cancel()
            connection.close()
        if connection.late:
            raise TimeoutError("timed out")  # Headers that were cut off look like headers that have ended.
        # The body is not read: it is not needed here, and it may be endless.
        return Reply(answer.status, _retry_after_ms(answer.getheader("Retry-After", "")))

    def _addresses(self, host: str, port: int) -> list[str]:
        """Return those addresses of the host that may be called. Raises Retry if there are none."""
        resolved = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        allowed = [address for address in resolved if may_be_called(address, self._networks)]
        if not allowed:
            raise Retry("NoAnswer", f"{host} has no address in the public internet")
        return allowed


class _Pinned(http.client.HTTPSConnection):
    """A connection to one of the given addresses, whose certificate must be for the host's name. It never resolves the
    name again, as the base class would, because that could give another address."""

    def __init__(
        self, host: str, port: int, addresses: Sequence[str], timeout_s: float, context: ssl.SSLContext
    ) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._addresses = addresses
        self._trust = context
        self._open: socket.socket | None = None
        self.late = False
        """Whether its time was up before all of its answer was there."""

    def connect(self) -> None:
        plain = self._reach()
        try:
            secure = self._trust.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        self.sock = self._open = secure
        if self.late:
            raise TimeoutError("timed out")  # It was late while connecting: nothing to cut yet.
        secure.do_handshake()

    def _reach(self) -> socket.socket:
        """Connect to the addresses in turn, as long as there is time, and return the first connection. A name may have
        addresses of a kind that we can't reach."""
        failure: OSError = TimeoutError("timed out")
        for address in self._addresses:
            if self.late:
                break
            try:
                return socket.create_connection((address, self.port), self.timeout)
            except OSError as error:
                failure = error
        raise failure

    def cut(self) -> None:
        """Shut the connection down. A thread that reads or writes on it then finds the connection's end."""
        self.late = True
        if self._open is not None:
            try:
                # This shuts down the TCP connection: an SSL socket's own shutdown would let the reader go on in the
                # clear.
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)
            except OSError:
                return  # The connection has ended by itself.


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "its name has no address"),
    (TimeoutError, f"no answer in {TIMEOUT_S:g} s"),
    (ssl.SSLCertVerificationError, "its certificate is not accepted"),
    (ssl.SSLError, "no TLS connection could be made"),
    (ConnectionRefusedError, "it refuses connections"),
    (ConnectionError, "the connection was closed before it answered"),
    (http.client.HTTPException, "what it answered is no HTTP"),
)
"""The reasons that a tenant reads when it looks at its webhook. Subclasses come before their bases."""


def _in_words(error: Exception) -> str:
    reason = next((words for kind, words in _WORDS if isinstance(error, kind)), "it can't be reached")
    detail = getattr(error, "verify_message", "")
    return f"{reason}: {detail}" if detail else reason


def _retry_after_ms(value: str) -> int | None:
    """Return the milliseconds that a Retry-After header asks for. It holds seconds or a time (RFC 9110, section
    10.2.3). None for anything else."""
    if value.isascii() and value.isdigit():
        return int(value[:9]) * 1000
    try:
        at_s = parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return max(0, round((at_s - time.time()) * 1000))
