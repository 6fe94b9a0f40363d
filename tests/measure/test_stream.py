"""The decoder of the sampler's stream, which trusts nothing that a guest sends."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measure.lines import LINE_LIMIT
from measure.stream import (
    Exit,
    Hello,
    Mark,
    Record,
    Start,
    Stop,
    StreamDecoder,
    StreamError,
    StreamFault,
    Tick,
    decode,
    read_stream,
)
from testbed.errors import CellError

OWN = {"minflt": 0, "majflt": 0, "cpu_us": 812}
PROCESS = {
    "group": "service_a",
    "cgroup": "/system.slice/mariadb.service",
    "pid": 412,
    "start": 1503,
    "comm": "mariadbd",
    "minflt": 90112,
    "majflt": 1248,
    "rss": 104200,
    "blkio": 311,
}
DISK = {
    "reads": 1,
    "read_sectors": 2,
    "read_ms": 3,
    "writes": 4,
    "write_sectors": 5,
    "write_ms": 6,
    "io_ms": 7,
}
TICK: dict[str, Any] = {
    "type": "tick",
    "n": 0,
    "t": 12.000031,
    "due": 12.0,
    "late_us": 31,
    "missed": 0,
    "procs": [PROCESS],
    "vmstat": {"pswpin": 17},
    "meminfo": {"MemFree": 51200, "Active(anon)": 4},
    "groups": {
        "service_a": {
            "memory.current": 419430400,
            "memory.swap.current": 0,
            "stat": {"anon": 1},
            "pressure": {"some_us": 5, "full_us": 4},
            "oom_kill": 0,
        },
        "alpha": {},
    },
    "disks": {"vda": DISK},
    "self": OWN,
}
HELLO = {
    "type": "hello",
    "t": 1.0,
    "version": 1,
    "pid": 300,
    "kernel": "6.12.0",
    "page_size": 4096,
    "hz": 100,
    "taskstats": True,
    "locked": True,
    "realtime": True,
}
EXIT = {
    "type": "exit",
    "t": 13.5,
    "group": "service_a",
    "pid": 500,
    "ppid": 410,
    "comm": "query.cgi",
    "minflt": 4000,
    "majflt": 105,
    "blkio_us": 900000,
    "swapin_us": 0,
}
STOP = {
    "type": "stop",
    "t": 33.0,
    "ticks": 21,
    "missed": 0,
    "self": OWN,
    "dropped": 0,
    "lost_exits": 0,
    "overruns": 0,
}
LINES: list[tuple[dict[str, Any], type[Record]]] = [
    (HELLO, Hello),
    ({"type": "start", "t": 12.0, "wall": 1.75e9, "interval": 1.0}, Start),
    (TICK, Tick),
    ({"type": "mark", "t": 12.5, "name": "request"}, Mark),
    (EXIT, Exit),
    ({"type": "error", "t": 12.6, "message": "unknown command"}, StreamError),
    (STOP, Stop),
]
STREAM = b"".join(json.dumps(line).encode() + b"\n" for line, _ in LINES)


def line(**changes: Any) -> bytes:
    return json.dumps({**TICK, **changes}).encode()


def test_every_record_is_decoded_to_its_type() -> None:
    records = StreamDecoder().feed(STREAM)
    assert [type(record) for record in records] == [kind for _, kind in LINES]


def test_a_tick_keeps_its_numbers() -> None:
    tick = decode(line())
    assert isinstance(tick, Tick)
    assert (tick.n, tick.t, tick.due, tick.late_us) == (0, 12.000031, 12.0, 31)
    assert tick.procs[0].majflt == 1248
    assert tick.groups["service_a"].memory_current == 419430400
    assert tick.groups["alpha"].memory_current is None
    assert tick.own.cpu_us == 812
    assert tick.disks["vda"].io_ms == 7


def test_a_stream_may_be_cut_at_any_byte() -> None:
    whole = StreamDecoder().feed(STREAM)
    for cut in range(len(STREAM) + 1):
        decoder = StreamDecoder()
        records = decoder.feed(STREAM[:cut]) + decoder.feed(STREAM[cut:])
        assert records == whole


def test_a_stream_may_come_byte_by_byte() -> None:
    decoder = StreamDecoder()
    records = [record for byte in STREAM for record in decoder.feed(bytes([byte]))]
    assert len(records) == len(LINES)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"12",
        b"\xff\xfe",
        b"[" * 50000,
        b'{"type":' * 5000,
        b'{"type":"tick"}',
        b'{"type":"other","t":1}',
        b'{"t":1}',
        line(n=-1),
        line(n=1.5),
        line(n="1"),
        line(n=True),
        line(n=None),
        line(n=2**63),
        line(n=10**4000),
        line(t=-0.1),
        line(t="1"),
        line(t=float("nan")),
        line(t=float("inf")),
        line(extra=1),
        line(procs={}),
        line(procs=[{**PROCESS, "pid": -1}]),
        line(procs=[{**PROCESS, "x": 1}]),
        line(procs=[{**PROCESS, "comm": 7}]),
        line(procs=[{**PROCESS, "comm": "x" * 65}]),
        line(vmstat={"pswpin": -17}),
        line(vmstat={"<script>": 1}),
        line(meminfo={"\x1b[31m": 1}),
        line(vmstat={f"pswpin{n}": n for n in range(513)}),
        line(groups={"a b": {}}),
        line(disks={"vda": {}}),
        line(self={}),
        json.dumps({**HELLO, "version": 2}).encode(),
        json.dumps({**HELLO, "hz": 0}).encode(),
        json.dumps({"type": "mark", "t": 1, "name": "\x1b[2J"}).encode(),
    ],
    ids=lambda line: repr(line)[:30],
)
def test_anything_else_is_a_fault(bad: bytes) -> None:
    with pytest.raises(StreamFault) as caught:
        decode(bad, 7)
    assert caught.value.line == 7
    assert "line 7" in str(caught.value)
    assert isinstance(caught.value, CellError)


def test_a_fault_names_its_line_and_its_place() -> None:
    with pytest.raises(StreamFault, match=r"line 3: .*'late_us'.*greater than or equal to 0") as caught:
        StreamDecoder().feed(STREAM.replace(b'"late_us": 31', b'"late_us": -31'))
    assert caught.value.line == 3


def test_a_fault_carries_no_control_characters() -> None:
    with pytest.raises(StreamFault) as caught:
        decode(json.dumps({**HELLO, "\x1b[2J\n": 1}).encode())
    assert str(caught.value).isprintable()


def test_after_a_fault_nothing_is_trusted() -> None:
    decoder = StreamDecoder()
    with pytest.raises(StreamFault):
        decoder.feed(b"garbage\n")
    with pytest.raises(StreamFault, match="line 1"):
        decoder.feed(STREAM)


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    mark = b'{"type":"mark","t":1,"name":"x"}'
    padded = mark + b" " * (LINE_LIMIT - len(mark) - 1)
    assert len(StreamDecoder().feed(padded + b"\n")) == 1
    with pytest.raises(StreamFault, match="longer than 65536 bytes"):
        StreamDecoder().feed(padded + b" \n")


def test_an_endless_line_is_refused_before_it_is_kept() -> None:
    decoder = StreamDecoder(limit=100)
    decoder.feed(b"x" * 60)
    with pytest.raises(StreamFault, match="line 1: longer than 100 bytes"):
        decoder.feed(b"x" * 60)


def test_an_end_within_a_line_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(STREAM)
    assert len(read_stream(path)) == len(LINES)
    path.write_bytes(STREAM[:-1])
    with pytest.raises(StreamFault, match=f"line {len(LINES)}: ends within a line"):
        read_stream(path)


def test_a_stream_that_is_not_there_is_a_cell_error(tmp_path: Path) -> None:
    with pytest.raises(CellError, match="No such file"):
        read_stream(tmp_path / "none.jsonl")


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_faults(data: bytes) -> None:
    decoder = StreamDecoder(limit=200)
    try:
        for record in decoder.feed(data):
            assert isinstance(record, Record)
    except StreamFault as fault:
        assert fault.line >= 1


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_changed_bytes_raise_nothing_but_faults(data: st.DataObject) -> None:
    damaged = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert all(isinstance(record, Record) for record in StreamDecoder().feed(bytes(damaged)))
    except StreamFault as fault:
        assert fault.line >= 1
