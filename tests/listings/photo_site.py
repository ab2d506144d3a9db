"""A real HTTPS server with one answer for each path."""

import http.server
import time
from urllib.parse import urlsplit

from tests import factories

BATCH = "/api/v1/listings/batch/"
PHOTO = factories.picture()
HOST = "localhost"


class Site(http.server.BaseHTTPRequestHandler):
    """The path of a request selects the answer."""

    requests: list[tuple[str, dict[str, str]]] = []
    patient: list[str] = []  # paths whose client waited for the whole answer

    def do_GET(self) -> None:
        self.requests.append((self.path, dict(self.headers)))
        getattr(self, "answer_" + urlsplit(self.path).path.strip("/").partition(".")[0])()

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""

    def send(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def answer_photo(self) -> None:
        self.send(200, PHOTO)

    def answer_page(self) -> None:
        self.send(200, b"<html>")

    def answer_redirect(self) -> None:
        self.send(302, Location="/photo.jpg")

    def answer_gone(self) -> None:
        self.send(410)

    def answer_busy(self) -> None:
        self.send(503)

    def answer_short(self) -> None:
        self.send(200, PHOTO, Content_Length=len(PHOTO) + 1)

    def answer_claims(self) -> None:
        self.send(200, PHOTO, Content_Length=10**12)

    def answer_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100_000):
            self.wfile.write(bytes(100_000))

    def answer_slow(self) -> None:
        for _ in range(200):
            self.wfile.write(b"H")
            time.sleep(0.02)
        self.patient.append(self.path)

    def answer_dripping(self) -> None:
        """A body that ends with its connection, as in HTTP/1.0."""
        self.send_response(200)
        self.end_headers()
        self.answer_slow()


def url(path: str, host: str = HOST) -> str:
    return f"https://{host}/{path}"
