"""What a guest says is data: it becomes no markup, no command of a terminal, no path, and no end of the analysis."""

import base64
import gzip
import io
import json
import logging
import math
import stat
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import tomli_w
from fake_run import exited, process, write_run
from matplotlib.figure import Figure
from rich.console import Console

from analysis.figures import style
from analysis.redraw import redraw
from analysis.study import study
from configuration.load import load
from configuration.plan import Cell
from experiment.cell import Ended
from experiment.progress import Progress, log_handler
from measure.lines import Lines, LineTooLong
from testbed.errors import MESSAGE_LIMIT, GuestError
from testbed.process import PROJECT
from testbed.ssh.keys import make_keys

REFERENCE = PROJECT / "results" / "reference"
BARS = load(PROJECT / "experiments.toml").bars.model_copy(update={"resamples": 199})

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
RED = "\x1b[31m"
HOSTILE = SCRIPT + IMAGE + RED  # short enough for a comm
WORSE = f"{HOSTILE} ../../../escaped /escaped $\\frac{{$ \ud800 \x00\r\x9b2J --> ]]>"
CHECK = {"type": "check", "check": WORSE, "ok": False, "detail": WORSE}
STEP = {"type": "step", "step": WORSE, "host": 1.0, "wall": 1.0}
ADVANCE = {"type": "advance", "action": WORSE, "t_begin": WORSE, "t_end": WORSE, "ok": False, "detail": WORSE}

Json = dict[str, Any]


def rewrite(path: Path, change: Callable[[Json], Json], more: Callable[[list[Json]], list[Json]] = lambda r: r) -> None:
    """Each record of a file changed, then all of them."""
    records = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(record) + "\n" for record in more(records)))


def hostile_sample(record: Json) -> Json:
    if record["type"] == "hello":
        return {**record, "kernel": HOSTILE}
    if record["type"] != "tick":
        return record
    groups = {**record["groups"], "..": {"stat": {"..": 1}}}
    procs = [*record["procs"], process(999, HOSTILE, record["n"], group=".."), process(998, HOSTILE, record["n"])]
    return {**record, "groups": groups, "procs": procs}


def hostile_event(record: Json) -> Json:
    return {**record, WORSE: WORSE, "policy": WORSE, "pages": WORSE, "deep": {WORSE: [WORSE]}, "many": [WORSE]}


def hostile_step(record: Json) -> Json:
    """Where a journal's models take words; what else they say of such lines: tests/measure/test_journal.py."""
    if record["type"] == "end" and not record["valid"]:
        return {**record, "reason": WORSE}
    return record


def hostile_run(folder: Path) -> Path:
    """A run in which every word that a guest or a configuration chooses means harm."""
    run = write_run(folder, ("baseline", "baseline-again", "working-set"), 2, invalid=["02-baseline"])
    for cell in (run / "cells").iterdir():
        rewrite(
            cell / "samples.jsonl",
            hostile_sample,
            lambda records: [
                *records[:-1],
                exited(12.0, 998, HOSTILE, 3),
                {"type": "error", "t": 512.0, "message": HOSTILE},
                records[-1],
            ],
        )
        rewrite(cell / "prefetch.jsonl", hostile_event, lambda r: [*r, {"event": WORSE, "group": WORSE, "t": WORSE}])
        rewrite(cell / "cell.jsonl", hostile_step, lambda records: [*records[:-1], STEP, ADVANCE, CHECK, records[-1]])
        (cell / "console.log").write_text(WORSE, errors="replace")
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["guest"] = {"kernel": WORSE, "packages": {WORSE: WORSE}}
    manifest["dataset"]["label"] = WORSE
    (run / "manifest.json").write_text(json.dumps(manifest))
    configuration = tomllib.loads((PROJECT / "experiments.toml").read_text())
    for condition in configuration["condition"].values():
        condition["answers"] = WORSE.replace("\ud800", "")
    (run / "configuration.toml").write_text(tomli_w.dumps(configuration))
    return run


def tree(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.mark.whole
def test_a_guests_words_are_data_in_everything_that_is_drawn(tmp_path: Path) -> None:
    run = hostile_run(tmp_path / "a" / "b" / "run")
    before = tree(tmp_path)
    written = redraw(study(run, BARS))
    page = written[-1].read_text(encoding="utf-8")
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&gt;&lt;img src=x onerror=alert(1)&gt;\ufffd[31m") > 3
    for path in written:
        if path.suffix != ".png":
            text = path.read_text(encoding="utf-8")
            assert not {char for char in text if not char.isprintable()} - {"\n"}, path
        if path.suffix in (".html", ".svg"):
            assert "<script" not in text, path
            assert "<img src=x" not in text, path
        if path.suffix == ".svg":
            ET.fromstring(text)
    new = {path.parts[3] for path in tree(tmp_path) - before}
    assert new == {"tables", "figures", "report.html"}


def at(records: list[Json], instant: Callable[[int, float], float]) -> list[Json]:
    """With other times of the ticks, from their number and time."""
    return [{**r, "t": instant(r["n"], r["t"])} if r["type"] == "tick" else r for r in records]


def with_counts(record: Json, count: Callable[[int], int]) -> Json:
    if record["type"] != "tick":
        return record
    procs = [{**p, "majflt": count(record["n"]), "minflt": count(record["n"])} for p in record["procs"]]
    disks = {name: dict.fromkeys(disk, count(record["n"])) for name, disk in record["disks"].items()}
    return {**record, "procs": procs, "disks": disks, "vmstat": dict.fromkeys(record["vmstat"], count(record["n"]))}


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure is drawn, but once, and small: as SVG, too, it takes twice as long."""

    def save(figure: Figure, folder: Path, name: str) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        png, svg = folder / f"{name}.png", folder / f"{name}.svg"
        with matplotlib.rc_context(style.RC):
            figure.savefig(png, dpi=30)
        svg.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        return [png, svg]

    monkeypatch.setattr(style, "save", save)


@pytest.mark.whole
@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    "change",
    [
        lambda records: at(records, lambda n, t: 500.0),
        lambda records: at(records, lambda n, t: 2.0**52 if n > 15 else t),
        lambda records: at(records, lambda n, t: 1e-300 * n),
        lambda records: at(records, lambda n, t: 600.0 - n),
        lambda records: [with_counts(r, lambda n: 2**63 - 1) for r in records],
        lambda records: [with_counts(r, lambda n: (2**63 - 1) * (n % 2)) for r in records],
        lambda records: [{**r, "procs": [], "groups": {}, "disks": {}} if r["type"] == "tick" else r for r in records],
        lambda records: [{**r, "vmstat": {}, "meminfo": {}} if r["type"] == "tick" else r for r in records],
        lambda records: records + records,
        lambda records: records[::-1],
        lambda records: [r for r in records if r["type"] != "tick"],
        lambda records: [r for r in records if r["type"] != "stop"],
        lambda records: records[:3],
        lambda records: [],
    ],
    ids=["still", "leap", "tiny", "backwards", "large", "swinging", "empty", "no counters", "twice", "reversed",
         "no ticks", "no end", "cut", "nothing"],
)  # fmt: skip
def test_whatever_a_guest_counts_is_drawn(tmp_path: Path, change: Callable[[list[Json]], list[Json]]) -> None:
    run = write_run(tmp_path / "run", ("figure1", "baseline"), 2)
    for cell in (run / "cells").iterdir():
        rewrite(cell / "samples.jsonl", lambda record: record, change)
    assert redraw(study(run, BARS))[-1].is_file()


def telling(value: object, record: Json) -> Json:
    """An event whose members are all ``value``, but for those that make it count."""
    return {**dict.fromkeys(record, value), "event": record["event"], "group": "service_a", "t": record.get("t")}


@pytest.mark.whole
def test_whatever_a_prefetcher_tells_is_drawn(tmp_path: Path) -> None:
    values: tuple[object, ...] = (None, True, -1, 2**64, 10**400, 1e308, "x", [1], {}, math.nan, math.inf)
    run = write_run(tmp_path / "run", ("working-set",), len(values))
    for number, value in enumerate(values, 1):
        path = run / "cells" / f"{number:02d}-working-set" / "prefetch.jsonl"
        rewrite(path, partial(telling, value))
    assert redraw(study(run, BARS))[-1].is_file()


@pytest.mark.whole
def test_a_prefetcher_makes_no_table_of_a_million_columns(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ("working-set",), 1)
    path = run / "cells" / "01-working-set" / "prefetch.jsonl"
    rewrite(path, lambda r: r, lambda r: r + [{"event": "x", **{f"{n}-{m}": m for m in range(50)}} for n in range(50)])
    redraw(study(run, BARS))
    columns = (run / "tables" / "prefetch.csv").read_text().partition("\n")[0].split(",")
    assert "event" in columns
    assert len(columns) < 250


def test_lines_are_the_same_however_they_come_and_never_too_long() -> None:
    text = b"one\n\ntwo\nthree"
    for size in (1, 2, 5, 100):
        lines = Lines(limit=6)
        assert [line for at in range(0, len(text), size) for line in lines.add(text[at : at + size])] == [
            b"one",
            b"",
            b"two",
        ]
        assert (lines.count, lines.pending) == (3, True)
    with pytest.raises(LineTooLong, match="longer than 6 bytes"):
        list(lines.add(b"xx"))


def test_an_error_is_printable_and_of_bounded_length() -> None:
    error = GuestError(f"first {RED}{'x' * 100_000} last", hint=f"do {RED}this")
    assert len(str(error)) < MESSAGE_LIMIT + 100
    assert str(error).startswith("first \ufffd[31mxxx")
    assert "xxx last" in str(error)
    assert RED not in str(error)


def test_progress_lets_no_escape_sequence_through() -> None:
    output = io.StringIO()
    cell = Cell(1, "baseline", "lxc", "off")
    with Progress(Console(file=output, width=200, markup=False), {}, total=1, cell_seconds=10) as progress:
        progress.stage(f"image {RED}\r\x9b2J")
        progress.end(progress.begin(cell), Ended(cell, False, False, f"{RED}lost\nmore", 1.0))
    assert "does not count: \ufffd[31mlost;" in output.getvalue()
    assert output.getvalue().replace("\n", "").isprintable()


def test_the_log_lets_no_escape_sequence_through() -> None:
    try:
        raise ValueError(RED)
    except ValueError as error:
        shown = (type(error), error, error.__traceback__)
    record = logging.LogRecord("guest", logging.WARNING, "", 0, "%s says %s", ("01-baseline", RED), shown)
    text = log_handler("%(levelname)s %(name)s: %(message)s").format(record)
    assert text.startswith("WARNING guest: 01-baseline says \ufffd[31m\n")
    assert "ValueError: \ufffd[31m" in text
    assert text.replace("\n", "").isprintable()


# --- secrets


def spellings(secret: bytes) -> Iterator[bytes]:
    """As it is, and in base64 at each alignment, without the digits that depend on its neighbours."""
    yield secret
    for before in range(3):
        digits = base64.b64encode(bytes(before) + secret)
        yield digits[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]


KEYS = [spelling for secret in (b"PRIVATE KEY", b"openssh-key-v1") for spelling in spellings(secret)]


def secrets_in(path: Path) -> list[bytes]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [key for key in KEYS if key in content]


def test_a_private_key_is_recognised_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    make_keys(tmp_path)
    for name in ("host_ed25519", "id_ed25519"):
        assert len(secrets_in(tmp_path / name)) >= 2
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        for shift in range(3):
            (tmp_path / "nested").write_bytes(base64.b64encode(bytes(shift) + (tmp_path / name).read_bytes()))
            assert secrets_in(tmp_path / "nested")
    assert not secrets_in(tmp_path / "authorized_keys")


def test_the_committed_run_holds_no_key_and_no_path_of_a_machine() -> None:
    files = [path for path in REFERENCE.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert [path for path in files if secrets_in(path)] == []
    domains = [path for path in files if path.name == "domain.xml"]
    assert [path for path in domains if str(PROJECT) in path.read_text()] == []
