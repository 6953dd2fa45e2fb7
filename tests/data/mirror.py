"""A web server on 127.0.0.1 that serves one file and misbehaves on request."""

from __future__ import annotations

import http.server
import threading

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes: one read from a socket does not hold it


class Mirror:
    """`url` serves `content`; `faults` are the ways of failing of the next requests, one each, then all is well.

    Faults: an int (HTTP status), "break" (half of what was asked for, then the connection closes), "hang" (half,
    then silence), "wrong" (another file of the same size), "html" (an error page with status 200), "no-range" (the
    whole file whatever was asked), "shifted" (a range that was not asked for), "nothing" (closes at once),
    "unsized" (no Content-Length, and bytes too many).
    """

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.faults: list[int | str] = []
        self.asked: list[str | None] = []  # the Range header of each request
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.released = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that hangs up is no news
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/file"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        fault = self.faults.pop(0) if self.faults else None
        span = request.headers.get("Range")
        self.asked.append(span)
        if isinstance(fault, int):
            request.send_error(fault)
            return
        if fault == "nothing":
            return
        content = b"<html>Service unavailable</html>" if fault == "html" else self.content
        if fault == "wrong":
            content = content[:-1] + b"!"
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and fault not in ("no-range", "html") else 0
        if start >= len(content):
            request.send_error(416)
            return
        body = content[start:]
        request.send_response(206 if start else 200)
        if start:
            shown = start + 1 if fault == "shifted" else start
            request.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        if fault == "unsized":
            body += b"too much"
        else:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        half = len(body) // 2
        request.wfile.write(body[:half] if fault in ("break", "hang") else body)
        if fault == "hang":
            request.wfile.flush()
            self.released.wait(10)
