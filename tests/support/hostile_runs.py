"""Runs that somebody made to do harm: a small run in memory, changed at random in ways that each mean something.

The same seed makes the same run. ``OUTSIDE`` names what lies beside the run and is nobody's business: no command may
read, change or remove it, whatever a run holds.
"""

import copy
import gzip
import json
import os
import random
import shutil
import socket
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomli_w
from fake_run import write_run

from testbed.process import PROJECT

OUTSIDE = "outside"
SECRET = "a private key"
ESCAPE = "\x1b]0;owned\x07\x1b[2J"
FORMULA = '=HYPERLINK("http://127.0.0.1/"&A1)'
WORDS = (
    "../../outside/victim", "/etc/passwd", "..", ".", "", "a/b", ESCAPE, f"{ESCAPE}\r\n", FORMULA, "-1+1", "@SUM(A1)",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>", "\x00", "\ud800", "%s%n", "$(touch x)",
    "`touch x`", "; touch x", "x" * 70_000, "\u202e", "$\\frac{$", "[link](javascript:alert(1))",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *WORDS, None, True, -1, 0, 2**63, -(2**63), 10**300, 1e308, -5, 0.5, [], {}, [[]], {"a": {"b": []}}, [None], "1",
    float("nan"), float("inf"),
)  # fmt: skip
RAW = (
    b"", b"\x00", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000, b"[]",
    b"null", b"{", b"\x1b[2J", b'{"cells": 1e999}', b"a = [" * 2000, b"NaN", b"{}\n" * 30_000, b"\x80\x81",
)  # fmt: skip

Files = dict[str, bytes]
Plant = Callable[[Path, Path], None]


@dataclass
class Made:
    """A run before it is written: files by their names, and what is planted among them afterwards."""

    files: Files
    plants: list[tuple[str, Plant]] = field(default_factory=list)
    how: list[str] = field(default_factory=list)

    def write(self, place: Path) -> Path:
        """As ``place``/results/one, beside ``place``/outside."""
        outside = place / OUTSIDE
        (outside / "folder").mkdir(parents=True)
        (outside / "victim").write_text(SECRET)
        (outside / "folder" / "victim").write_text(SECRET)
        run = place / "results" / "one"
        for name, content in self.files.items():
            path = run / name
            if any(parent.is_file() for parent in path.parents) or path.is_dir():  # two changes are in each other's way
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name, plant in self.plants:
            path = run / name
            if any(parent.is_symlink() or parent.is_file() for parent in path.parents):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            plant(path, outside)
        return run


@cache
def harmless() -> Files:
    """What a run of three cells has, one of which failed first; small, so that thousands are read in a minute."""
    with TemporaryDirectory() as place:
        run = write_run(Path(place) / "one", ("baseline", "working-set"), 2, until=3, invalid=["02-baseline"])
        (run / "configuration.toml").write_text((PROJECT / "experiments.toml").read_text())
        for folder in (run / "cells").iterdir():
            samples = (folder / "samples.jsonl").read_text().splitlines(keepends=True)
            (folder / "samples.jsonl").write_text("".join(samples[:8] + samples[-4:]))
            (folder / "console.log").write_text("booted\n")
            (folder / "domain.xml").write_text("<domain><kernel>/home/me/.cache/disk-1/vmlinuz</kernel></domain>")
        evidence = run / "failed" / "01-baseline.1" / "evidence"
        evidence.mkdir(parents=True)
        (evidence / "error.txt").write_text('File "/home/me/tree/experiment/cell.py", line 1\n')
        (evidence / "paging.log").write_text("hostname: here\n")
        return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def hostile(seed: int) -> Made:
    rng = random.Random(seed)  # noqa: S311 - the same run for the same seed
    made = Made(dict(harmless()))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice(CHANGES)
        made.how.append(change.__name__)
        change(rng, made)
    return made


# Read or written by whoever opens a run, in this version or an earlier one.
TRAPS = (
    "cells/01-baseline/samples.jsonl", "cells/01-baseline/cell.jsonl", "cells", "configuration.toml", "manifest.json",
    "tables", "figures", "report.html", "tables/.cells.csv.tmp", ".report.html.tmp", "figures/.figure1.svg.tmp",
    ".review.ipynb.tmp", "review.ipynb", "failed/01-baseline.1/evidence/error.txt", "failed", "cells/02-working-set",
    "cells/01-baseline/domain.xml", "cells/01-baseline/console.log",
)  # fmt: skip


def link(rng: random.Random, made: Made) -> None:
    """At the place of a file or a folder of the run, or where one of its files will be written."""
    place = rng.choice(TRAPS) if rng.random() < 0.7 else rng.choice(list(made.files))
    made.files = {name: content for name, content in made.files.items() if not f"{name}/".startswith(f"{place}/")}
    made.plants.append(
        (place, rng.choice((to_file, to_file, to_folder, to_folder, hard_link, dangling, pipe, unix_socket)))
    )


def to_file(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "victim")


def to_folder(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "folder")


def hard_link(path: Path, outside: Path) -> None:
    path.hardlink_to(outside / "victim")


def pipe(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path, _outside: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")  # a socket's own path must be short
        finally:
            os.close(folder)


def dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "new")


def word_in_json(rng: random.Random, made: Made) -> None:
    """A member of a record or a document has another value, or another name."""
    name = rng.choice([name for name in made.files if name.endswith((".json", ".jsonl"))] or ["plan.json"])
    text = made.files.get(name, b"").decode(errors="replace")
    lines = (text.splitlines() if name.endswith("l") else [text]) or [""]
    at = rng.randrange(len(lines))
    try:
        value = json.loads(lines[at])
    except (ValueError, RecursionError):  # changed before
        return
    if not isinstance(value, dict):
        return
    replace_in(rng, value)
    lines[at] = json.dumps(value)
    made.files[name] = "".join(f"{line}\n" for line in lines).encode(errors="replace")


def word_in_toml(rng: random.Random, made: Made) -> None:
    """A setting has another value, of another type as a rule."""
    try:
        values = tomllib.loads(made.files["configuration.toml"].decode())
        for _ in range(rng.randint(1, 3)):
            replace_in(rng, values)
        made.files["configuration.toml"] = tomli_w.dumps(values).encode(errors="replace")
    except (KeyError, ValueError, TypeError):  # changed before, or TOML has no such value
        return


def replace_in(rng: random.Random, value: Any) -> None:
    """Somewhere in nested objects and lists."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = rng.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            value = inner
            continue
        if isinstance(value, dict) and rng.random() < 0.2:
            value[rng.choice(WORDS)] = value.pop(key)
        else:
            value[key] = copy.deepcopy(rng.choice(VALUES))
        return


def whole_file(rng: random.Random, made: Made) -> None:
    name = rng.choice(list(made.files))
    made.files[name] = rng.choice(RAW)


def bytes_of_file(rng: random.Random, made: Made) -> None:
    name = rng.choice([name for name, content in made.files.items() if content] or ["plan.json"])
    content = bytearray(made.files.get(name, b"{}"))
    for _ in range(rng.randint(1, 5)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    made.files[name] = bytes(content[: rng.randrange(len(content))] if rng.random() < 0.3 else content)


def missing(rng: random.Random, made: Made) -> None:
    del made.files[rng.choice(list(made.files))]


def file_for_folder(rng: random.Random, made: Made) -> None:
    folder = rng.choice(("cells", "failed", "tables", "cells/01-baseline", "cells/02-working-set", "figures"))
    made.files = {name: content for name, content in made.files.items() if not name.startswith(f"{folder}/")}
    made.files[folder] = b"a file"


def folder_for_file(rng: random.Random, made: Made) -> None:
    name = rng.choice(list(made.files))
    made.files[f"{name}/inside"] = made.files.pop(name)


def strange_name(rng: random.Random, made: Made) -> None:
    made.files[f"cells/{rng.choice((ESCAPE.replace('/', ''), '=1+1', '-rf', '$(touch x)', '..x'))}/cell.jsonl"] = (
        b"{}\n"
    )


def cell_elsewhere(rng: random.Random, made: Made) -> None:
    """The plan names a cell whose folder is not below cells/."""
    try:
        plan = json.loads(made.files["plan.json"])
        cell = rng.choice(plan["cells"])
        cell[rng.choice(("name", "condition"))] = rng.choice(WORDS)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):  # changed before
        return
    made.files["plan.json"] = json.dumps(plan).encode(errors="replace")


def settings(rng: random.Random, made: Made) -> None:
    """The configuration asks for what is not the run's to say."""
    text = made.files.get("configuration.toml", b"").decode(errors="replace")
    old, new = rng.choice(
        (
            ('libvirt_uri = "embed"', 'libvirt_uri = "qemu+ext:///system?command=/outside/victim"'),
            ('libvirt_uri = "embed"', 'libvirt_uri = "qemu+ssh://root@127.0.0.1/system"'),
            ('path = ""', 'path = "/etc/passwd"'),
            ('source = "auto"', 'source = "path"'),
            ("seed = ", "seed = -"),
            ("[roles]", '[roles]\n"\\u001b[2J" = "\\u001b[2J"'),
            ('answers = "', 'answers = "<script>alert(1)</script>\\u001b[2J'),
            ("[condition.", "[condition.\"../../outside\"]\nanswers = 1\n[condition."),
            ("replicates = ", "replicates = 9999"),
            ("confidence = ", "confidence = nan #"),
        )
    )  # fmt: skip
    made.files["configuration.toml"] = text.replace(old, new).encode(errors="replace")


def bomb(rng: random.Random, made: Made) -> None:
    """A packed stream that is a thousand times as large, or has a million lines."""
    streams = [name for name in made.files if name.endswith(("samples.jsonl", "prefetch.jsonl", "console.log"))]
    if streams:
        name = rng.choice(streams)
        del made.files[name]
        made.files[f"{name}.gz"] = bombs()[rng.randrange(2)]


@cache
def bombs() -> tuple[bytes, ...]:
    """The issue's had 1.2 GB; these are beyond each limit, and are unpacked in a moment where it does not hold."""
    return gzip.compress(bytes(64 << 20)), gzip.compress(b"{}\n" * 3_000_000)


CHANGES = (
    link, link, link, link, link, word_in_json, word_in_json, word_in_json, word_in_json, whole_file, bytes_of_file,
    missing, file_for_folder, folder_for_file, strange_name, cell_elsewhere, settings, word_in_toml, word_in_toml,
)  # fmt: skip
SLOW_CHANGES = (*CHANGES, bomb)


@contextmanager
def nothing_outside(place: Path) -> Iterator[None]:
    """Fails if what lies beside the run is opened or changed, or anything new appears there."""
    outside = place / OUTSIDE
    before = state(outside)
    with opened_below(outside) as opened:
        yield
    assert not opened, f"opened: {opened}"
    assert state(outside) == before
    assert sorted(path.name for path in place.iterdir()) == [OUTSIDE, "results"]


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


_watched: list[tuple[str, list[str]]] = []


@contextmanager
def opened_below(folder: Path) -> Iterator[list[str]]:
    """The files below ``folder`` that this process opens by whatever name meanwhile (sys.audit)."""
    _hook()
    opened: list[str] = []
    _watched.append((f"{folder.resolve()}/", opened))
    try:
        yield opened
    finally:
        _watched.pop()


@cache
def _hook() -> None:
    """A hook stays for as long as the process lives."""

    def seen(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and _watched and isinstance(arguments[0], str | bytes | os.PathLike):
            flags = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], int) else 0
            below, opened = _watched[-1]
            name = os.fsdecode(arguments[0])
            if not flags & os.O_NOFOLLOW and f"{os.path.realpath(name)}".startswith(below):
                opened.append(name)

    sys.addaudithook(seen)
