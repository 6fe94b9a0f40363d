"""The request and the check of its answer, against a local server."""

import http.server
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from testbed.errors import CellError, RequestTimeout
from workloads.request import LARGEST, LONGEST_ROW, Expected, Response, RowSum, request


@contextmanager
def server(body: bytes, status: int = 200, length: int | None = None) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    listening = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        listening.server_close()


ROWS = b"Georgi\tFacello\tEngineer\nParto\tBamford\tEngineer\n"
SUM = sum(zlib.crc32(line) for line in ROWS.splitlines(keepends=True))


def test_rows_are_counted_and_summed_in_pieces_of_any_size() -> None:
    for size in (1, 2, 7, 1000):
        rows = RowSum()
        for at in range(0, len(ROWS), size):
            rows.add(ROWS[at : at + size])
        assert (rows.rows, rows.checksum, rows.complete) == (2, SUM, True)


def test_a_right_and_a_wrong_answer() -> None:
    seen: list[bool] = []
    with server(ROWS) as port:
        response = request(port, 10, lambda: seen.append(True))
    assert response.matches(Expected(2, SUM))
    assert not response.matches(Expected(3, SUM))
    assert not response.matches(Expected(2, SUM + 1))
    assert 0 < response.first_byte_s <= response.total_s
    assert seen == [True]


def test_order_is_free_but_content_is_not() -> None:
    swapped = b"".join(reversed(ROWS.splitlines(keepends=True)))
    changed = ROWS.replace(b"Georgi", b"George")
    with server(swapped) as port:
        assert request(port, 10).matches(Expected(2, SUM))
    with server(changed) as port:
        assert not request(port, 10).matches(Expected(2, SUM))


def test_failures_are_the_cells() -> None:
    with server(b"no", status=500) as port, pytest.raises(CellError, match="500"):
        request(port, 10)
    with server(ROWS[:-3]) as port, pytest.raises(CellError, match="middle of a row"):
        request(port, 10)
    with server(ROWS, length=1000) as port, pytest.raises(CellError, match="bytes early"):
        request(port, 1)
    with pytest.raises(CellError, match="refused"):
        request(1, 1)


def test_an_empty_answer_matches_nothing() -> None:
    with server(b"") as port:
        assert not request(port, 10).matches(Expected(2, SUM))
    assert not Response(0, 0, 0.0, 0.0).matches(Expected(1, 0))


LIMIT_S = 0.3
HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def repeating(start: bytes, again: bytes, pause: float) -> Iterator[int]:
    """A server that says ``start`` once and ``again`` without end, every ``pause`` seconds; its port."""
    done = threading.Event()

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(start)
            while not done.wait(pause):
                connection.sendall(again)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("start", "again", "pause"),
    [
        (b"", b"", 0.05),
        (b"HTTP/1.1 2", b"0", 0.05),
        (HEAD + b"X-Slow: ", b"x", 0.05),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
        (HEAD + b"\r\n", b"x\n", 0.05),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"x\n", 0.05),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: 1\r\n", 0.001),
    ],
    ids=["silence", "status", "header", "continue", "body", "announced body", "trailers"],
)
def test_an_answer_that_does_not_end_is_given_up_in_time(start: bytes, again: bytes, pause: float) -> None:
    with repeating(start, again, pause) as port:
        begun = time.monotonic()
        with pytest.raises(RequestTimeout, match=r"was not there within 0\.3 s"):
            request(port, LIMIT_S)
        assert time.monotonic() - begun < 10 * LIMIT_S


def test_an_answer_ends_at_the_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workloads.request.LARGEST", 1000)
    with repeating(HEAD + b"\r\n", b"row\n" * 100, 0) as port, pytest.raises(CellError, match="longer than 1000 bytes"):
        request(port, 10)


def test_a_row_is_bounded() -> None:
    rows = RowSum()
    rows.add(b"x" * (LONGEST_ROW - 1))
    with pytest.raises(CellError, match="row of more than 4096 bytes"):
        rows.add(b"xx")
    with pytest.raises(CellError, match="row of more than 4096 bytes"):
        RowSum().add(b"a\n" + b"x" * (LONGEST_ROW + 1) + b"\nb\n")


def test_the_largest_answer_costs_little() -> None:
    rows, row = RowSum(), b"x" * (LONGEST_ROW - 1) + b"\n"
    pieces = LARGEST // 65521  # a prime: rows are cut at every place
    stream = row * (65521 * 2 // len(row) + 2)
    begun = time.process_time()
    for number in range(pieces):
        at = number * 65521 % len(row)
        rows.add(stream[at : at + 65521])
    assert rows.rows == pieces * 65521 // len(row)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 \x1b[31m" + b"x" * 60000 + b"\r\n\r\n",
        b"\x1b[31mHTTP" + b"x" * 60000 + b"\r\n\r\n",
        HEAD + b"x" * 70000,
        HEAD + b"X: 1\r\n" * 200 + b"\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        HEAD + b"Content-Length: -5\r\n\r\nabc",
        b"",
    ],
    ids=["reason", "no status", "long header", "headers", "chunk size", "negative chunk", "negative length", "end"],
)
def test_a_hostile_answer_is_a_short_printable_error(answer: bytes) -> None:
    def once(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=once, args=(listening,), daemon=True).start()
        with pytest.raises(CellError) as caught:
            request(listening.getsockname()[1], 5)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()
