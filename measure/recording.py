"""The host's ends of a guest's streams: raw bytes go to files as they come, records to whoever waits."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from measure.stream import Record, StreamDecoder, Tick
from testbed.errors import CellError, GuestError
from testbed.guest import Guest
from testbed.port import Port

# The most that a guest may write into a file of the host: a night of ticks, and far more events than there are.
STREAM_BYTES = 1024 * 1024 * 1024
EVENT_BYTES = 64 * 1024 * 1024


class SampleStream:
    """The sampler's stream of one guest: commands in, records out, raw bytes into ``sink``."""

    def __init__(self, socket: Path, sink: Path, on_tick: Callable[[Tick], None] = lambda _tick: None) -> None:
        self.records: list[Record] = []
        self._on_tick = on_tick
        self._decoder = StreamDecoder()
        self._bytes = 0
        self._file: BinaryIO = sink.open("ab", buffering=0)
        self._changed = threading.Condition()
        self._port = Port(socket, self._receive)

    @property
    def failure(self) -> Exception | None:
        """What ended the stream, if anything did."""
        return self._port.failure

    def send(self, command: str) -> None:
        self._port.send(command)

    def wait(self, found: Callable[[Record], bool], limit: float, what: str, alive: Callable[[], None]) -> Record:
        """The first record, from now or before, that ``found`` accepts.

        Raises GuestError after ``limit`` seconds, GuestLost if the guest is gone, StreamFault on garbage.
        """
        deadline = time.monotonic() + limit
        seen = 0
        while True:
            with self._changed:
                if len(self.records) == seen:
                    self._changed.wait(0.25)
                fresh = self.records[seen:]
            for record in fresh:
                if found(record):
                    return record
            seen += len(fresh)
            if self.failure:
                raise self.failure
            alive()
            if time.monotonic() > deadline:
                raise GuestError(f"{what} did not come within {limit:.0f} s")

    def close(self) -> None:
        self._port.close()
        self._file.close()

    def _receive(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        if self._bytes > STREAM_BYTES:
            raise CellError(f"the sampler's stream is longer than {STREAM_BYTES} bytes")
        self._file.write(chunk)
        records = self._decoder.feed(chunk)
        with self._changed:
            self.records += records
            self._changed.notify_all()
        for record in records:
            if isinstance(record, Tick):
                self._on_tick(record)


class EventStream:
    """A stream that only comes out of the guest (alpha's, the prefetcher's): lines of JSON, kept raw in ``sink``."""

    def __init__(self, socket: Path, sink: Path) -> None:
        self._file: BinaryIO = sink.open("ab", buffering=0)
        self._received = bytearray()
        self._port = Port(socket, self._receive)

    @property
    def failure(self) -> Exception | None:
        """What ended the stream, if anything did."""
        return self._port.failure

    def wait_event(self, name: str, limit: float, guest: Guest, nth: int = 1) -> dict[str, object]:
        """The ``nth`` line whose "event" is ``name``. Raises GuestError after ``limit`` seconds."""
        guest.wait(lambda: len(self.events(name)) >= nth, limit, f"event {name!r}")
        return self.events(name)[nth - 1]

    def events(self, name: str) -> list[dict[str, object]]:
        """The events of that name that have arrived; lines that are not events are passed over."""
        if self.failure:
            raise self.failure
        found = []
        for line in bytes(self._received).split(b"\n")[:-1]:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and event.get("event") == name:
                found.append(event)
        return found

    def close(self) -> None:
        self._port.close()
        self._file.close()

    def _receive(self, chunk: bytes) -> None:
        if len(self._received) + len(chunk) > EVENT_BYTES:
            raise CellError(f"a guest's event stream is longer than {EVENT_BYTES} bytes")
        self._file.write(chunk)
        self._received += chunk
