"""The host's ends of a guest's streams, against a socket that plays the guest."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from measure.lines import LINE_LIMIT
from measure.quota import RATE, WINDOW_S, Quota
from measure.recording import EventStream, SampleStream
from measure.stream import Mark, StreamFault
from testbed.errors import CellError, GuestError
from testbed.port import Port


class FakeGuest:
    """The guest's end of one port."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._connected = threading.Event()
        self._end: socket.socket | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        self._end, _ = self._listener.accept()
        self._connected.set()

    @property
    def end(self) -> socket.socket:
        assert self._connected.wait(5)
        assert self._end
        return self._end

    def say(self, *lines: dict[str, object]) -> None:
        for line in lines:
            self.end.sendall(json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        self.end.close()
        self._listener.close()


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[FakeGuest]:
    fake = FakeGuest(tmp_path / "port.sock")
    yield fake
    fake.close()


def nothing() -> None:
    """The guest is alive."""


def mark(name: str) -> dict[str, object]:
    return {"type": "mark", "t": 1.5, "name": name}


def test_records_reach_whoever_waits_and_raw_bytes_the_file(tmp_path: Path, guest: FakeGuest) -> None:
    stream = SampleStream(tmp_path / "port.sock", tmp_path / "samples.jsonl")
    stream.send("mark request")
    assert guest.end.recv(100) == b"mark request\n"
    threading.Timer(0.1, guest.say, (mark("other"), mark("request"))).start()
    found = stream.wait(lambda record: isinstance(record, Mark) and record.name == "request", 5, "a mark", nothing)
    assert isinstance(found, Mark)
    assert stream.wait(lambda record: True, 5, "an earlier record", nothing) is stream.records[0]
    stream.close()
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["other", "request"]


def test_silence_is_an_error_that_names_what_did_not_come(tmp_path: Path, guest: FakeGuest) -> None:
    stream = SampleStream(tmp_path / "port.sock", tmp_path / "samples.jsonl")
    with pytest.raises(GuestError, match="tick 10 did not come within 0 s"):
        stream.wait(lambda record: True, 0.3, "tick 10", nothing)
    stream.close()


def test_garbage_fails_the_wait_and_is_kept(tmp_path: Path, guest: FakeGuest) -> None:
    stream = SampleStream(tmp_path / "port.sock", tmp_path / "samples.jsonl")
    guest.end.sendall(b"{}\n")
    with pytest.raises(StreamFault, match="line 1"):
        stream.wait(lambda record: True, 5, "anything", nothing)
    stream.close()
    assert (tmp_path / "samples.jsonl").read_bytes() == b"{}\n"


def test_a_lost_guest_ends_the_wait(tmp_path: Path, guest: FakeGuest) -> None:
    def lost() -> None:
        raise GuestError("the guest is gone")

    stream = SampleStream(tmp_path / "port.sock", tmp_path / "samples.jsonl")
    with pytest.raises(GuestError, match="gone"):
        stream.wait(lambda record: True, 60, "anything", lost)
    stream.close()


def test_events_are_found_by_name_and_garbage_is_passed_over(tmp_path: Path, guest: FakeGuest) -> None:
    stream = EventStream(tmp_path / "port.sock", tmp_path / "alpha.jsonl")
    guest.end.sendall(
        b'not json\n[1]\n{"event":"start"}\n{"event":"ready","t":1}\n{"event":"ready","t":2}\n{"event":"re'
    )
    for _ in range(100):
        if len(stream.events("ready")) == 2:
            break
        threading.Event().wait(0.05)
    assert [event["t"] for event in stream.events("ready")] == [1, 2]
    assert len(stream.events("start")) == 1
    stream.close()


def test_a_flood_is_cut_off(tmp_path: Path, guest: FakeGuest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("measure.recording.EVENT_BYTES", 1000)
    stream = EventStream(tmp_path / "port.sock", tmp_path / "alpha.jsonl")
    guest.end.sendall(b"x" * 2000)
    for _ in range(100):
        try:
            stream.events("ready")
        except CellError as error:
            assert "longer than 1000 bytes" in str(error)
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail("the flood was not noticed")
    stream.close()
    assert (tmp_path / "alpha.jsonl").stat().st_size <= 1000


def test_a_line_of_an_event_stream_is_bounded(tmp_path: Path, guest: FakeGuest) -> None:
    stream = EventStream(tmp_path / "port.sock", tmp_path / "alpha.jsonl")
    guest.end.sendall(b'{"event":"ready"}\n' + b"x" * (LINE_LIMIT + 1))
    with pytest.raises(CellError, match=r"stream alpha\.jsonl, line 2: longer than 65536 bytes"):
        failing(stream)
    stream.close()


@pytest.mark.parametrize("kind", [SampleStream, EventStream])
def test_a_stream_that_comes_too_fast_is_cut_off(
    tmp_path: Path, guest: FakeGuest, monkeypatch: pytest.MonkeyPatch, kind: type[SampleStream | EventStream]
) -> None:
    monkeypatch.setattr("measure.quota.WINDOW_S", 0.01)
    monkeypatch.setattr("measure.recording.time.monotonic", lambda: 7.0)
    stream = kind(tmp_path / "port.sock", tmp_path / "flood.jsonl")
    line = json.dumps(mark("x")).encode() + b"\n"
    threading.Thread(target=guest.end.sendall, args=(line * (RATE // 20 // len(line)),), daemon=True).start()
    with pytest.raises(CellError, match=r"stream.* comes at .* MB/s, at most 4\.0 MB/s"):
        failing(stream)
    stream.close()
    assert (tmp_path / "flood.jsonl").stat().st_size <= 0.01 * RATE


def failing(stream: SampleStream | EventStream) -> None:
    """Raises what ends the stream; TimeoutError if nothing does."""
    for _ in range(500):
        if stream.failure:
            raise stream.failure
        threading.Event().wait(0.01)
    raise TimeoutError


def test_only_plain_values_make_an_event(tmp_path: Path, guest: FakeGuest) -> None:
    stream = EventStream(tmp_path / "port.sock", tmp_path / "alpha.jsonl")
    nested = b'{"event":"ready","t":' + b"[" * 900 + b"]" * 900 + b"}\n"
    others = b'{"event":"ready","t":NaN}\n{"event":"ready","t":1e999}\n{"event":"ready","t":"\\ud800"}\n{"t":1}\n'
    guest.end.sendall(
        nested + others + b'{"event":"ready","n":1,"t":1.5,"x":true,"y":null,"z":[{"a":1}]}\n{"event":"end"}\n'
    )
    deadline = time.monotonic() + 5
    while not stream.events("end") and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert stream.events("ready") == [{"event": "ready", "n": 1, "t": 1.5, "x": True, "y": None}]
    stream.close()


def test_a_rate_is_averaged_over_a_window() -> None:
    quota = Quota("the stream", 10**9, rate=1_000_000)
    for second in range(20):
        quota.take(100.0 + second, 1_000_000)
    full = Quota("the stream", 10**9, rate=1_000_000)
    full.take(100.0, int(1_000_000 * WINDOW_S))
    with pytest.raises(CellError, match=r"the stream comes at 2\.5 MB/s, at most 1\.0 MB/s are taken over 5 s"):
        full.take(102.0, 1)


def test_a_quota_bounds_all_that_comes() -> None:
    quota = Quota("the stream", 100)
    quota.take(0.0, 100)
    with pytest.raises(CellError, match="the stream is longer than 100 bytes"):
        quota.take(1000.0, 1)


def test_a_port_that_is_not_there_is_the_guests_error(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match=r"absent\.sock cannot be opened"):
        Port(tmp_path / "absent.sock", lambda chunk: None)
