"""The host's ends of a guest's streams, against a socket that plays the guest."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def test_a_port_that_is_not_there_is_the_guests_error(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match=r"absent\.sock cannot be opened"):
        Port(tmp_path / "absent.sock", lambda chunk: None)
