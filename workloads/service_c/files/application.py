"""Service C's WSGI application: what query.cgi of service A answers, names and titles of all with one title."""

import os
from collections.abc import Callable, Iterator

import redis  # type: ignore[import-not-found,unused-ignore]  # the guest's, which speaks Valkey's protocol

TITLE = os.environ["SERVICE_C_TITLE"]
ROWS = 1000  # a command: Valkey serves nobody else meanwhile
NAMES = ("employee:*->first_name", "employee:*->last_name")

valkey = redis.Redis(unix_socket_path="/run/valkey/valkey.sock")


def application(environ: dict[str, object], start_response: Callable[..., object]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return answer()


def answer() -> Iterator[bytes]:
    """All rows, ROWS at a time, joined by Valkey: SORT looks up each employee that the title's index names."""
    index = f"title:{TITLE}"
    for start in range(0, valkey.llen(index), ROWS):
        rows = valkey.sort_ro(index, start=start, num=ROWS, by="nosort", get=NAMES)
        pairs = zip(rows[::2], rows[1::2], strict=True)
        yield b"".join(b"%s\t%s\t%s\n" % (first, last, TITLE.encode()) for first, last in pairs)
