"""What the documents tell a reader to type can be typed, and their links lead somewhere. No guest.

Commands that start guests, build, install, write into a run or use a network, the nightly ones among them, are only
read: run.py's own parser, the Makefiles and a list of other programs say whether they can be right. Those that answer
within seconds are run, on a light copy of the reference run and with a cache that is not there.
"""

import argparse
import io
import json
import re
import shutil
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import tomli_w
from documents import Words, anchors, blocks, links, targets, told
from words import in_folders

import run
from configuration.load import Configuration, check
from experiment.choices import names
from experiment.commandline import read
from testbed.errors import HostError, UsageError
from testbed.process import PROJECT

RESULTS = PROJECT / "results"
REFERENCE = RESULTS / "reference"
OWN_RUNS = ("latest", "last-good")  # names of a reader's own runs; `make nightly-good` makes the second

# What stands in capitals for a reader's own word, and what is taken for it here.
PLACEHOLDERS = {
    "RUN": "reference", "RUN_A": "reference", "RUN_B": "reference", "OLD": "reference", "CELL": "01-baseline",
    "CONDITION": "baseline", "SUITE": "default", "SNAPSHOT": "lxc", "N": "1", "GB": "30",
}  # fmt: skip
NAMED_AFTER = {"--suite": "default", "--conditions": "baseline"}  # NAME

# Conditions and snapshots that docs/extending.md has its reader program, not only configure.
PROGRAMMED = {"service-d", "service-d-working-set", "lxc-service_d", "few-siblings"}

# Commands that answer within seconds and write nothing, but for places of one's own.
ANSWERING = ("doctor", "findings", "console", "compare")
ELSEWHERE = {"--config", "--results", "--resume", "--scheduler", "--summary", "--out"}
MODULES = ("pytest", "ruff", "mypy")  # of `python -m`

# Programs that are not the project's, by the first word of their commands, and why a document may name them.
OTHER_PROGRAMS = {
    "git": "clones the project and shows its history",
    "cd": "goes into what was cloned",
    "diff": "compares what is computed with what is committed",
    "ssh": "reaches the other hosts of docs/cluster.md",
    "sbatch": "Slurm's, in docs/cluster.md",
    "scp": "copies the certificate there",
    "prefetchd": "the prefetcher itself; tests/prefetch/test_prefetch_c.py has its options",
    "prefetchctl": "the same",
    "systemctl": "starts its unit",
    "jq": "reads its events",
    "sleep": "between two policies",
    ":": "the shell's own: always true",
}


@dataclass(frozen=True)
class Told:
    """A command as a document has it."""

    document: Path
    words: Words

    def __str__(self) -> str:
        return f"{self.document.relative_to(PROJECT)}: {' '.join(self.words)}"

    @property
    def is_python(self) -> bool:
        return re.fullmatch(r"(?:\S*/)?python3?", self.words[0]) is not None

    @property
    def is_run_py(self) -> bool:
        return self.is_python and self.words[1:2] == ("run.py",)

    @property
    def arguments(self) -> Words:
        """Those of run.py, placeholders filled in."""
        return tuple(filled(word, before) for before, word in pairwise(("", *self.words[2:])))


def filled(word: str, before: str) -> str:
    """``before``: the word ahead of it, which says what a NAME is of."""
    own = PLACEHOLDERS | {"NAME": NAMED_AFTER.get(before, "name")}
    return re.sub(r"\b[A-Z][A-Z_]*\b", lambda found: own.get(found[0], found[0]), word)


def documents() -> list[Path]:
    """All Markdown of the project; runs that are not committed, caches and what was built are none of it."""
    folders = [folder for folder in PROJECT.iterdir() if folder != RESULTS and not folder.name.startswith(".")]
    found = [*PROJECT.glob("*.md"), RESULTS / "README.md"]
    for folder in (*folders, PROJECT / ".github", REFERENCE):
        found += folder.rglob("*.md")
    return sorted(path for path in found if "build" not in path.relative_to(PROJECT).parts)


DOCUMENTS = documents()
WITH_SETTINGS = [document for document in DOCUMENTS if blocks(document.read_text(), "toml")]
# prefetch/README.md is installed to be read as plain text: its code is indented.
ALL = [
    Told(document, words)
    for document in DOCUMENTS
    for words in told(document.read_text(), indented=document.parent.name == "prefetch")
]


@cache
def settings(document: Path) -> dict[str, Any]:
    """experiments.toml with the tables that a document tells its reader to add."""
    values = tomllib.loads((PROJECT / "experiments.toml").read_text())
    for block in blocks(document.read_text(), "toml"):
        for section, tables in tomllib.loads(block).items():
            if section in values and not PROGRAMMED & set(tables):
                values[section] |= tables
    return values


@cache
def configured(document: Path) -> Configuration:
    return check(settings(document), document.name)


@cache
def planned(run_name: str) -> set[str]:
    """The names of a committed run's cells."""
    return {cell["name"] for cell in json.loads((RESULTS / run_name / "plan.json").read_text())["cells"]}


def understood(arguments: Words) -> argparse.Namespace | str:
    """What run.py's parser makes of its words; else what it complains of, which is nothing where it printed help."""
    complaint = io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(complaint):
            return read(arguments)
    except SystemExit:
        return complaint.getvalue()
    except UsageError as error:
        return str(error)


def is_cheap(arguments: Words) -> bool:
    """Whether a command line of run.py answers within seconds and writes nothing."""
    given = understood(arguments)
    if isinstance(given, str):
        return not given
    if ELSEWHERE & {word.partition("=")[0] for word in arguments} or PROGRAMMED & set(names(given.conditions or "")):
        return False
    runs = filter(None, (vars(given).get(name) for name in ("run", "run_a", "run_b")))
    if {run.partition(":")[0] for run in runs} - {REFERENCE.name, *OWN_RUNS}:
        return False  # one page of findings is enough, and one comparison
    if given.command == "console":
        return given.cell in planned(REFERENCE.name)
    if given.dry_run and given.command in ("", "clean"):
        return True
    return given.command in ANSWERING


def cheap() -> list[Told]:
    """Each once: the reader's latest run is the reference run here, see ``results``."""
    found = [one for one in ALL if one.is_run_py and is_cheap(one.arguments)]
    return list({" ".join(one.arguments).replace("latest", REFERENCE.name): one for one in found}.values())


def unknown(given: argparse.Namespace, document: Path) -> list[str]:
    """The suites, conditions, runs, cells and snapshots that a command line names and that are not there."""
    values, configuration = vars(given), configured(document)
    conditions = PROGRAMMED | set(configuration.condition)
    found = [f"suite {name}" for name in names(given.suite or "") if name not in configuration.suite]
    found += [f"condition {name}" for name in names(given.conditions or "") if name not in conditions]
    for word in filter(None, (values.get(key) for key in ("run", "run_a", "run_b", "resume"))):
        name, _, condition = word.partition(":")
        if name not in OWN_RUNS and not (RESULTS / name / "plan.json").is_file():
            found.append(f"run {name}")
        elif condition and not has_cell(name, f"01-{condition}", conditions):
            found.append(f"condition {word}")
    cell = values.get("cell") or values.get("what")
    snapshots = PROGRAMMED | {condition.base.name for condition in configuration.condition.values()}
    if cell and cell not in snapshots and not has_cell(given.run, cell, conditions):
        found.append(f"cell or snapshot {cell}")
    return found


def has_cell(run_name: str, cell: str, conditions: set[str]) -> bool:
    """A reader's own run may have any condition."""
    if run_name in OWN_RUNS:
        return re.match(r"\d\d-", cell) is not None and cell[3:] in conditions
    return cell in planned(run_name)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/ with the reference run, its intervals from fewer resamples, and the same as the reader's own run."""
    folder = tmp_path_factory.mktemp("results")
    copy = folder / REFERENCE.name
    copy.mkdir()
    shutil.copytree(REFERENCE / "cells", copy / "cells")
    shutil.copyfile(REFERENCE / "manifest.json", copy / "manifest.json")
    plan = json.loads((REFERENCE / "plan.json").read_text())
    plan.pop("configuration", None)  # the digest of a file that is another one here
    (copy / "plan.json").write_text(json.dumps(plan))
    text = (REFERENCE / "configuration.toml").read_text()
    (copy / "configuration.toml").write_text(re.sub(r"(?m)^resamples = \d+$", "resamples = 199", text))
    for name in OWN_RUNS:
        (folder / name).symlink_to(copy.name)
    return folder


def test_documents_and_their_commands_are_found() -> None:
    there = {document.relative_to(PROJECT).as_posix() for document in DOCUMENTS}
    assert {"README.md", "ARTIFACT.md", "docs/findings.md", "prefetch/README.md", "results/README.md"} <= there
    words = {(one.document.name, one.words) for one in ALL if one.document.parent == PROJECT}
    assert {("README.md", ("make", "test")), ("README.md", ("python", "run.py", "--resume", "latest"))} <= words
    assert Told(PROJECT / "prefetch" / "README.md", ("make", "deb")) in ALL
    given = [understood(one.arguments) for one in cheap()]
    assert {*ANSWERING, ""} <= {one.command for one in given if isinstance(one, argparse.Namespace)}


@pytest.mark.parametrize("command", [one for one in ALL if one.is_run_py], ids=str)
def test_run_py_knows_the_words_and_what_they_name(command: Told) -> None:
    given = understood(command.arguments)
    if isinstance(given, str):
        assert not given, "not help, but a complaint"
    else:
        assert unknown(given, command.document) == []


@pytest.mark.parametrize("command", cheap(), ids=str)
def test_what_answers_within_seconds_is_run(
    command: Told,
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configuration, images = tmp_path / "experiments.toml", tmp_path / "cache"
    configuration.write_text(tomli_w.dumps(settings(command.document)))
    places = {"config": configuration, "results": results, "cache": images}
    before = sorted(results.rglob("*"))
    monkeypatch.chdir(PROJECT)
    try:
        code = run.main(in_folders(command.arguments, **places))
    except SystemExit as ended:  # --help
        code = int(ended.code or 0)
    said = capsys.readouterr()
    # A host that lacks something is told so by doctor; that is no fault of the document.
    assert code in ((0, HostError.exit_code) if "doctor" in command.arguments else (0,)), said.err
    assert said.out
    assert sorted(results.rglob("*")) == before
    assert not images.exists()


@pytest.mark.parametrize("command", [one for one in ALL if one.words[0] == "make"], ids=str)
def test_make_has_the_targets(command: Told) -> None:
    words = command.words[1:]
    beside = command.document.parent
    folder = beside if (beside / "Makefile").is_file() else PROJECT
    if words[:1] == ("-C",):
        folder, words = PROJECT / words[1], words[2:]
    text = (folder / "Makefile").read_text()
    for included in re.findall(r"(?m)^-?include (\S+)$", text):
        text += (folder / included.replace("$(TOP)", "..")).read_text()
    goals = {word for word in words if not word.startswith("-") and "=" not in word}
    assert goals <= targets(text)


@pytest.mark.parametrize("command", [one for one in ALL if one.is_python and not one.is_run_py], ids=str)
def test_python_is_given_what_is_there(command: Told) -> None:
    _, option, module, *words = command.words
    assert (option, module in MODULES) == ("-m", True)
    for word in (word for word in words if word.startswith("tests/")):
        path, _, test = word.partition("::")
        assert f"def {test}" in (PROJECT / path).read_text()


@pytest.mark.parametrize("command", [one for one in ALL if not one.is_python and one.words[0] != "make"], ids=str)
def test_other_programs_are_named_for_a_reason(command: Told) -> None:
    assert command.words[0] in OTHER_PROGRAMS, "output and files' contents: call the fence text, or what it is"


@pytest.mark.parametrize("document", WITH_SETTINGS, ids=lambda path: path.name)
def test_settings_shown_are_valid(document: Path) -> None:
    shipped = tomllib.loads((PROJECT / "experiments.toml").read_text())
    assert configured(document) != check(shipped, "experiments.toml"), "they change something"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    assert [link for link in links(document.read_text()) if not leads_somewhere(document, link)] == []


def leads_somewhere(document: Path, link: str) -> bool:
    """Within the project: to what is there, and to a heading that is there. Addresses are not looked up."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link):
        return True
    path, _, anchor = link.partition("#")
    target = (document.parent / unquote(path)).resolve() if path else document
    if not target.is_relative_to(PROJECT) or not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target.read_text()))
