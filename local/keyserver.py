"""Publish the local issuer's keys over HTTPS.

The product fetches keys only over HTTPS. The local cloud has a certificate of its own, which its functions trust by
SSL_CERT_FILE, so the product needs no exception for it.
"""

from __future__ import annotations

import datetime
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.issuer import Issuer

PATH = "/keys"
ADDRESS = "127.0.0.1"
_VALID = datetime.timedelta(days=365)
STALLED_S = 10


class QuietServer(ThreadingHTTPServer):
    """Serves each client in a thread that ends with this process."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the error: a client that hangs up, or doesn't trust us, needs no log line."""


class KeyServer:
    """Serves from a thread of this process, and so ends with it. It reads the issuer's file for each answer, so a
    rotation by another process takes effect at once."""

    def __init__(self, issuer_file: Path, folder: Path) -> None:
        self.certificate = folder / "issuer-certificate.pem"
        self.private = folder / "issuer-tls.pem"
        certify(self.certificate, self.private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.private)
        self._server = QuietServer((ADDRESS, 0), _handler(issuer_file))
        # The TLS handshake is not done while accepting: a client that sends nothing would hold up all others.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, name="issuer's keys", daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://{ADDRESS}:{self._server.server_address[1]}{PATH}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(issuer_file: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = STALLED_S

        def do_GET(self) -> None:
            if self.path != PATH:
                self.send_error(404)
                return
            body = Issuer.load(issuer_file).jwks()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler


def certify(certificate: Path, private: Path) -> None:
    """Write a self-signed certificate for this machine's own address, and its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "EFT's local issuer")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(ADDRESS))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))
