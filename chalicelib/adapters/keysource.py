"""Fetch issuers' keys over HTTPS, with the urllib3 that botocore brings along."""

import ssl
import time
from functools import cached_property

import urllib3

from chalicelib.core.errors import Permanent, Retry
from chalicelib.core.keys import ANSWER_MAX_BYTES

_CHUNK_BYTES = 16 * 1024


class HttpsKeySource:
    """Implements `ports.KeySource`. It trusts the machine's certificate authorities (SSL_CERT_FILE, as everywhere in
    Python)."""

    def __init__(self, timeout_s: float) -> None:
        """Make a key source. `timeout_s` is the limit for one whole answer."""
        self._timeout_s = timeout_s

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        """The connection pool. It is made when first needed, because most functions never need it."""
        return urllib3.PoolManager(num_pools=4, maxsize=1, ssl_context=ssl.create_default_context())

    def fetch(self, url: str) -> bytes:
        if not url.startswith("https://"):
            raise Permanent("KeysNotPublished", f"{url}: only https proves whose keys they are")
        ends_s = time.monotonic() + self._timeout_s
        try:
            answer = self._pool.request(
                "GET",
                url,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "eft"},
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(total=self._timeout_s),
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Retry("KeysNotFetched", f"{url}: {error}") from error
        try:
            if answer.status != 200:
                raise Permanent("KeysNotPublished", f"{url}: {answer.status}")
            return self._read(url, answer, ends_s)
        except urllib3.exceptions.HTTPError as error:
            raise Retry("KeysNotFetched", f"{url}: {error}") from error
        finally:
            # The connection is not kept for the next fetch, minutes later, and the rest of a huge answer is not read.
            answer.close()

    def _read(self, url: str, answer: urllib3.BaseHTTPResponse, ends_s: float) -> bytes:
        """Read the body in pieces as they arrive, so that an issuer that sends a byte a second has no more time than
        one that sends none."""
        body = b""
        while len(body) <= ANSWER_MAX_BYTES:
            if time.monotonic() > ends_s:
                raise Retry("KeysNotFetched", f"{url}: not all of it within {self._timeout_s:g} s")
            piece = answer.read1(_CHUNK_BYTES, decode_content=False)
            if not piece:
                return body
            body += piece
        raise Permanent("KeysTooLarge", f"{url}: more than {ANSWER_MAX_BYTES} bytes")
