"""`run.py pack`: a copy of a run that is small enough to be committed or sent, and reported like the run itself."""

import argparse
import gzip
import json
import logging
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from analysis.redraw import redraw
from analysis.study import study
from configuration.load import parsed
from experiment.cell import TRACE
from experiment.failure import EVIDENCE
from experiment.open_run import settings_of
from experiment.run_folder import LATEST, Store, digest
from experiment.terminal.console import Console
from measure.journal import ALPHA, CONSOLE, DOMAIN, JOURNAL, PREFETCH, SAMPLES, Head, entry_of, line_of, read_head
from measure.packed import PACKED
from measure.quota import STREAM_BYTES
from testbed.connection import EMBEDDED
from testbed.errors import UsageError
from testbed.files.documents import Fault, read_bounded, read_json
from testbed.process import PROJECT

log = logging.getLogger(__name__)

# Of a cell, what is large; of the tables, the one that is, and whatever else is larger than this.
STREAMS = (SAMPLES, PREFETCH, ALPHA, CONSOLE, TRACE)
LARGE_TABLE = "system.csv"
LARGE_BYTES = 2 * 2**20
KEPT = ("configuration.toml", "plan.json", "manifest.json")
PRIVATE = (("dataset", "path", ""), ("testbed", "libvirt_uri", EMBEDDED))  # settings, and what they are usually


def run(words: argparse.Namespace) -> int:
    store, target = Store.open(words.results, words.run), words.results / words.name
    if words.name == LATEST or store.folder in target.resolve().parents:
        raise UsageError(f"{words.name!r} is no name for a copy of that run", "pack RUN another-name")
    Console().print(str(pack(store, target)))
    return 0


def pack(store: Store, target: Path) -> Path:
    """Copies records (failed attempts, too) and draws the rest anew.

    Raises UsageError if ``target`` is there, or the run holds a link, or a file that is no record's.
    """
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} is there already", "name a folder that is not")
    settings = settings_of(store)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as made:
        aside = Path(made) / "run"
        copy_records(store, aside)
        aside.rename(target)
    try:
        redraw(study(target, settings.bars, settings.roles))
        for table in sorted((target / "tables").glob("*.csv")):
            if table.name == LARGE_TABLE or table.stat().st_size > LARGE_BYTES:
                compress(table)
    except Exception as error:  # the records are what such trouble is looked into with
        log.warning("%s has the records, but not all tables and figures: %s", target, error)
    except BaseException:  # Ctrl-C: a pack is whole or not there
        shutil.rmtree(target)
        raise
    return target


def copy_records(store: Store, target: Path) -> None:
    target.mkdir()
    places, hosts = places_of(store), hosts_of(store)
    for name, content in documents(store, hosts).items():
        (target / name).write_bytes(content)
    for part in ("cells", "failed"):
        for path in sorted((store.folder / part).rglob("*")):
            if path.is_dir():
                continue
            copy = target / path.relative_to(store.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            content = read_record(path)
            if path.name in (DOMAIN, JOURNAL) or path.parent.name == EVIDENCE:
                content = without_places(content.decode(errors="replace"), places).encode()
            if path.name == JOURNAL:
                content = without_host(content, hosts)
            copy.write_bytes(content)
            if path.name in STREAMS or (path.parent.name == EVIDENCE and path.suffix == ".log"):
                compress(copy)  # such a log is QEMU's, of all guests of a run so far


def documents(store: Store, hosts: Mapping[str, str]) -> dict[str, bytes]:
    """Configuration, plan and manifest without where things lie on this host, and what it is called."""
    content = {name: read_record(store.folder / name) for name in KEPT}
    configuration = parsed(content["configuration.toml"], store.folder / "configuration.toml")
    plan = read_json(store.folder / "plan.json")
    manifest = store.manifest()
    if private := {
        (section, key) for section, key, usual in PRIVATE if table(configuration, section).get(key, usual) != usual
    }:
        for section, key, usual in PRIVATE:
            if (section, key) in private:
                configuration[section][key] = usual
        content["configuration.toml"] = tomli_w.dumps(configuration).encode()
        if "configuration" in plan:
            plan["configuration"] = digest(content["configuration.toml"])
            content["plan.json"] = indented(plan)
    if ran := table(manifest, "hosts"):
        manifest["hosts"] = {hosts.get(name, name): value for name, value in ran.items()}
        content["manifest.json"] = indented(manifest)
    return content


def table(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def indented(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def hosts_of(store: Store) -> dict[str, str]:
    """The hosts that ran cells, by their names, and what stands for each in a packed run."""
    heads = (read_head(path.parent) for path in store.folder.glob(f"*/*/{JOURNAL}"))
    names = {head.ran_on for head in heads if head and head.ran_on} | set(table(store.manifest(), "hosts"))
    return {name: f"host-{number}" for number, name in enumerate(sorted(names), 1)}


def without_host(journal: bytes, hosts: Mapping[str, str]) -> bytes:
    """A cell's record, whose first line says where it ran."""
    first, end, rest = journal.partition(b"\n")
    try:
        head = entry_of(first)
    except Fault:
        return journal
    if not isinstance(head, Head) or not head.ran_on:
        return journal
    anonymous = replace(head, ran_on=hosts.get(head.ran_on, "host"))
    return line_of(anonymous).rstrip().encode() + end + rest


def read_record(path: Path) -> bytes:
    """Raises UsageError for what is no plain file by now, or larger than any record."""
    try:
        return read_bounded(path, STREAM_BYTES)
    except (OSError, Fault) as error:
        raise UsageError(f"{path} is not packed: {error}", "look at it, then remove or restore it") from error


def places_of(store: Store) -> dict[str, str]:
    """Where cache, run and project lie, and the words that stand for them in a packed run; the longest first."""
    places = {str(store.folder.parent.resolve()): "RESULTS", str(PROJECT): "PROJECT"}
    for domain in store.folder.glob(f"*/*/{DOMAIN}"):
        if kernel := re.search(
            r"<kernel>(/[^<\n]{1,4096})/[^/<]+/[^/<]+</kernel>", read_record(domain).decode(errors="replace")
        ):
            places[kernel[1]] = "CACHE"
    for error in store.folder.glob(f"*/*/{EVIDENCE}/error.txt"):  # another tree may have made the run
        if made_in := re.search(
            r'File "(/[^"\n]{1,4096})/experiment/cell\.py"', read_record(error).decode(errors="replace")
        ):
            places[made_in[1]] = "PROJECT"
    return dict(sorted(places.items(), key=lambda place: -len(place[0])))


def without_places(text: str, places: Mapping[str, str]) -> str:
    """What is nobody's business but this machine's: where things lie, its name, and whose environment QEMU had."""
    for place, word in places.items():
        text = re.sub(f"{re.escape(place)}(?=/)", word, text)
    text = re.sub(r"^([A-Z_][A-Z0-9_]*)=.*?(?= \\$|$)", r"\1=...", text, flags=re.MULTILINE)
    text = re.sub(r'File "/[^"\n]{1,4096}/([^/"\n]+)"', r'File ".../\1"', text)
    return re.sub(r"(?<=, hostname: )\S+", "...", text)


def compress(path: Path) -> None:
    """In place, as NAME.gz; undated, so that the same content gives the same bytes."""
    path.with_name(path.name + PACKED).write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
