"""The host's ends of a guest's streams: raw bytes go to files as they come, records to whoever waits."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from measure.lines import Lines, LineTooLong
from measure.quota import EVENT_BYTES, EVENT_LINES, STREAM_BYTES, Quota
from measure.stream import Record, StreamDecoder, Tick
from testbed.errors import CellError, ChannelSilent
from testbed.guest import Guest
from testbed.port import Port

Plain = str | int | Annotated[float, Field(allow_inf_nan=False)] | bool | None
Event = dict[str, Plain]
"""The plain members of an object of JSON; "event" is one of them."""

Members = dict[str, Plain | list[JsonValue] | dict[str, JsonValue]]
_MEMBERS: TypeAdapter[Members] = TypeAdapter(Members, config={"strict": True})


class SampleStream:
    """The sampler's stream of one guest: commands in, records out, raw bytes into ``sink``."""

    def __init__(self, socket: Path, sink: Path, on_tick: Callable[[Tick], None] = lambda _tick: None) -> None:
        self.records: list[Record] = []
        self._on_tick = on_tick
        self._decoder = StreamDecoder()
        self._quota = Quota("the sampler's stream", STREAM_BYTES)
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
                raise ChannelSilent(f"{what} did not come within {limit:.0f} s")

    def close(self) -> None:
        self._port.close()
        self._file.close()

    def _receive(self, chunk: bytes) -> None:
        self._quota.take(time.monotonic(), len(chunk))
        self._file.write(chunk)
        records = self._decoder.feed(chunk)
        with self._changed:
            self.records += records
            self._changed.notify_all()
        for record in records:
            if isinstance(record, Tick):
                self._on_tick(record)


class EventStream:
    """A stream of events (alpha's, the prefetcher's, a peer's): lines of JSON, kept raw in ``sink``."""

    def __init__(self, socket: Path, sink: Path) -> None:
        self._name = f"the guest's stream {sink.name}"
        self._quota = Quota(self._name, EVENT_BYTES)
        self._lines = Lines()
        self._events: list[Event] = []
        self._file: BinaryIO = sink.open("ab", buffering=0)
        self._port = Port(socket, self._receive)

    @property
    def failure(self) -> Exception | None:
        """What ended the stream, if anything did."""
        return self._port.failure

    def send(self, command: str) -> None:
        self._port.send(command)

    def wait_event(self, name: str, limit: float, guest: Guest, nth: int = 1) -> Event:
        """The ``nth`` line whose "event" is ``name``. Raises GuestError after ``limit`` seconds."""
        guest.wait(lambda: len(self.events(name)) >= nth, limit, f"event {name!r}")
        return self.events(name)[nth - 1]

    def events(self, name: str) -> list[Event]:
        """The events of that name that have arrived; lines that are not events are passed over."""
        if self.failure:
            raise self.failure
        return [event for event in self._events.copy() if event.get("event") == name]

    def close(self) -> None:
        self._port.close()
        self._file.close()

    def _receive(self, chunk: bytes) -> None:
        self._quota.take(time.monotonic(), len(chunk))
        self._file.write(chunk)
        try:
            for line in self._lines.add(chunk):
                if self._lines.count > EVENT_LINES:
                    raise CellError(f"{self._name} has more than {EVENT_LINES} lines")
                self._events += decoded(line)
        except LineTooLong as error:
            raise CellError(f"{self._name}, line {self._lines.count + 1}: {error}") from error


def decoded(line: bytes) -> list[Event]:
    """The event in a line, if there is one."""
    try:
        members = _MEMBERS.validate_json(line)
    except ValidationError:
        return []
    event = {name: value for name, value in members.items() if not isinstance(value, list | dict)}
    return [event] if "event" in event else []
