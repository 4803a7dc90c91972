#!/usr/bin/python3
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for S3, as far as s5cmd asks it. Objects are files below /srv/s3; while /srv/s3-refuses exists, all is refused."""

from __future__ import annotations

import re
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

STORE = Path("/srv/s3")
ORDER = Path("/srv/s3-order")  # the objects in the order in which they came
REFUSES = Path("/srv/s3-refuses")
DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def tag_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        with ORDER.open("a") as order:
            order.write(f"{path.relative_to(STORE)}\n")
        self._answer(200, b"", ETag='"0"')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self._refused():
            return
        for key in re.findall(r"<Key>(.*?)</Key>", body):
            (self._path() / unescape(key)).unlink(missing_ok=True)
        self._answer(200, b"<DeleteResult></DeleteResult>")

    def do_GET(self) -> None:
        if self._refused():
            return
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._list(query.get("prefix", [""])[0], query.get("delimiter", [""])[0])
        elif self._path().is_file():
            self._answer(200, self._path().read_bytes(), ETag='"0"')
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _list(self, prefix: str, delimiter: str) -> None:
        bucket = self._path()
        keys = sorted(str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file())
        keys = [key for key in keys if key.startswith(prefix)]
        below = {key[: key.index("/", len(prefix)) + 1] for key in keys if delimiter and "/" in key[len(prefix) :]}
        folders = "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(below))
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{(bucket / key).stat().st_size}</Size>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{tag_of(bucket / key)}</ETag></Contents>"
            for key in keys
            if not any(key.startswith(each) for each in below)
        )
        page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}{folders}</ListBucketResult>"
        self._answer(200, page.encode())

    def _path(self) -> Path:
        return STORE / unquote(urlsplit(self.path).path).strip("/")

    def _refused(self) -> bool:
        if REFUSES.exists():
            self._answer(403, DENIED.encode())
        return REFUSES.exists()

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 9000), Handler).serve_forever()
