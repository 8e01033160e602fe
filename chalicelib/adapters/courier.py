"""Posts to tenants' servers. Their URLs come from outside, so nothing that is only ours may be reached by them: the
address is looked up here, checked, and connected to as it was checked."""

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


class HttpsCourier:
    """Implements `ports.Courier`. Trusts whom the machine trusts (SSL_CERT_FILE, as everywhere in Python)."""

    def __init__(self, networks: Sequence[Network] = (), timeout_s: float = TIMEOUT_S) -> None:
        self._networks = tuple(networks)
        self._timeout_s = timeout_s

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Made when first needed: most functions never do."""
        return ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _HTTPS
        if parts.scheme != "https":
            raise Retry("NoAnswer", "only https proves who is told")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = _Pinned(host, port, self._addresses(host, port), self._timeout_s, self._context)
            return self._ask(connection, target, headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Retry("NoAnswer", _in_words(error)) from error

    def _ask(self, connection: "_Pinned", target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        # Not only each wait, but all of them together: one that sends a byte a second would hold us for ever.
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
        # What it says besides is not read: nobody here needs it, and it may be endless.
        return Reply(answer.status, _retry_after_ms(answer.getheader("Retry-After", "")))

    def _addresses(self, host: str, port: int) -> list[str]:
        """Those of the name that may be called."""
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        allowed = [address for address in found if may_be_called(address, self._networks)]
        if not allowed:
            raise Retry("NoAnswer", f"{host} has no address in the public internet")
        return allowed


class _Pinned(http.client.HTTPSConnection):
    """A connection to one of some addresses for a name, which the certificate must be of. Asking for the address again,
    as the base class would, could give another one."""

    def __init__(
        self, host: str, port: int, addresses: Sequence[str], timeout_s: float, context: ssl.SSLContext
    ) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._addresses = addresses
        self._trust = context
        self._open: socket.socket | None = None
        self.late = False
        """Its time was up before all of its answer was there."""

    def connect(self) -> None:
        plain = self._reach()
        try:
            secure = self._trust.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        self.sock = self._open = secure
        if self.late:
            raise TimeoutError("timed out")  # While it connected: there was nothing to cut yet.
        secure.do_handshake()

    def _reach(self) -> socket.socket:
        """The first one that answers, as long as there is time: a name may have addresses of a kind that we have no
        way to."""
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
        """Whoever reads or writes in another thread finds the connection's end."""
        self.late = True
        if self._open is not None:
            try:
                # Of the TCP connection: an SSL socket's own shutdown would let the reader go on in the clear.
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)
            except OSError:
                return  # It has ended by itself.


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "its name has no address"),
    (TimeoutError, f"no answer in {TIMEOUT_S:g} s"),
    (ssl.SSLCertVerificationError, "its certificate is not accepted"),
    (ssl.SSLError, "no TLS connection could be made"),
    (ConnectionRefusedError, "it refuses connections"),
    (ConnectionError, "the connection was closed before it answered"),
    (http.client.HTTPException, "what it answered is no HTTP"),
)
"""What a tenant is told who looks at its webhook. Subclasses before their bases."""


def _in_words(error: Exception) -> str:
    what = next((words for kind, words in _WORDS if isinstance(error, kind)), "it can't be reached")
    why = getattr(error, "verify_message", "")
    return f"{what}: {why}" if why else what


def _retry_after_ms(value: str) -> int | None:
    """Seconds, or a time (RFC 9110, section 10.2.3). None for anything else."""
    if value.isascii() and value.isdigit():
        return int(value[:9]) * 1000
    try:
        at_s = parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return max(0, round((at_s - time.time()) * 1000))
