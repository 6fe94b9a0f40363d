"""What is said of wrong words and files: a line with the place and a way out, the right exit code, no traceback."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_run import write_run
from words import in_folders

import run
from experiment import commandline, needs
from experiment.commandline import COMMANDS, OPTIONS, Command
from experiment.commands import list as listing
from testbed.errors import BUG, EXIT_CODES, UsageError
from testbed.process import PROJECT

SHIPPED = (PROJECT / "experiments.toml").read_text()
RUN_PY = [sys.executable, "run.py"]

# Words, the exit code, and what the line says.
WORDS: list[tuple[str, int, str]] = [
    ("reprot latest", 2, "there is no command 'reprot'; the nearest is report"),
    ("lsit", 2, "there is no command 'lsit'; the nearest is list"),
    ("--sute default", 2, "there is no option '--sute'; the nearest is --suite"),
    ("--rep 3", 2, "there is no option '--rep'; the nearest is --replicates"),
    ("--Quick", 2, "there is no option '--Quick'; the nearest is --quick"),
    ("-q", 2, "there is no option '-q'"),
    ("report --summary x", 2, "--summary is nothing that report uses; it is of compare"),
    ("--images", 2, "--images is nothing that a run uses; it is of clean"),
    ("clean --replicates 3", 2, "--replicates is nothing that clean uses"),
    ("--dry-run prepare", 2, "--dry-run is nothing that prepare uses; it is of a run, clean"),
    ("clean --cache", 2, "--cache: expected one argument"),
    ("list extra", 2, "too many words: extra"),
    ("compare reference", 2, "the following arguments are required: RUN_B"),
    ("pack reference", 2, "the following arguments are required: NAME"),
    ("--suite", 2, "--suite: expected one argument"),
    ("--suite defualt --dry-run", 2, "--suite: there is no suite 'defualt'; the nearest is default"),
    ("--suite default,default --dry-run", 2, "--suite default,default: a suite is named twice"),
    ("--suite , --dry-run", 2, "--suite ,: no suite is named"),
    ("--conditions baselin --dry-run", 2, "--conditions: there is no condition 'baselin'; the nearest is baseline"),
    ("--conditions working_set --dry-run", 2, "the nearest is working-set"),
    ("--conditions baseline,baseline --dry-run", 2, "a condition is named twice"),
    ("--replicates x", 2, "--replicates: expected a whole number, not 'x'"),
    ("--replicates 1.5", 2, "--replicates: expected a whole number, not '1.5'"),
    ("--replicates 0", 2, "--replicates: expected 1 to 10000, not 0"),
    ("--replicates -1", 2, "--replicates: expected 1 to 10000, not -1"),
    ("--replicates 99999999999999999999999", 2, "--replicates: expected a whole number"),
    ("--replicates \N{ARABIC-INDIC DIGIT THREE}", 2, "--replicates: expected a whole number"),
    ("--seed -1", 2, "--seed: expected 0 to 2147483647, not -1"),
    ("--jobs 0", 2, "--jobs: expected 1 to 100000, not 0"),
    ("--jobs many", 2, "--jobs: expected a whole number, not 'many'"),
    ("--jobs 9999 --dry-run", 3, "memory: "),
    ("--workers 0", 2, "--workers: expected 1 to 100000, not 0"),
    ("--workers 2 --dry-run", 2, "--workers waits for workers of a --scheduler"),
    ("--cache-limit nan", 2, "--cache-limit: expected a number of gigabytes above 0, not 'nan'"),
    ("--cache-limit inf", 2, "--cache-limit: expected a number of gigabytes above 0"),
    ("--cache-limit -1", 2, "--cache-limit: expected a number of gigabytes above 0"),
    ("--cache-limit 0", 2, "--cache-limit: expected a number of gigabytes above 0"),
    ("--cache-limit 30GB", 2, "--cache-limit: expected a number of gigabytes above 0"),
    ("--accel kmv", 2, "--accel: expected auto, kvm, tcg, not 'kmv'"),
    ("--keep-guest always", 2, "--keep-guest: expected never, on-failure, not 'always'"),
    ("--quick --suite disks", 2, "--quick has conditions and replicates of its own"),
    ("--quick --conditions baseline", 2, "--quick has conditions and replicates of its own"),
    ("--quick --replicates 3", 2, "--quick has conditions and replicates of its own"),
    ("--resume=", 2, "--resume: expected a name, not nothing"),
    ("--like=", 2, "--like: expected a name, not nothing"),
    ("--resume never", 2, "there is no run 'never'"),
    ("--resume latest", 2, "there is no run 'latest'"),
    ("--resume good --seed 0", 2, "so --seed has no place"),
    ("--resume good --quick", 2, "so --quick has no place"),
    ("--resume good --like other", 2, "there is no run 'other'"),
    ("--like goood --dry-run", 2, "there is no run 'goood' in {results}; the nearest is good"),
    ("--config /absent.toml --dry-run", 2, "/absent.toml: No such file or directory"),
    ("--config / --dry-run", 2, "/: "),
    ("--config= --dry-run", 2, "--config: expected a path, not nothing"),
    ("--results= --dry-run", 2, "--results: expected a path, not nothing"),
    ("report never", 2, "there is no run 'never'"),
    ("report goo", 2, "the nearest is good"),
    ("report empty", 2, "empty is no run: it has no plan.json"),
    ("findings ../..", 2, "is no run: it has no plan.json"),
    ("compare good good --fail-on regresion", 2, "--fail-on 'regresion': expected regression, flipped-claim, lost"),
    ("compare good:nothing good:baseline", 2, "run good has no condition 'nothing'; it has baseline, working-set"),
    ("compare good good:baseline", 2, "name a condition of both runs, or of none"),
    ("compare good good --summary /absent/page.md", 2, "--summary /absent/page.md: there is no folder /absent"),
    ("console good 99-baseline", 2, "run good has no cell '99-baseline'"),
    ("console good 01-baselin", 2, "the nearest is 01-baseline"),
    ("shell nowhere --run good", 2, "'nowhere' is no snapshot (plain, lxc"),
    ("shell 01-baseline --run never", 2, "there is no run 'never'"),
    ("pack good good", 2, "is there already"),
    ("notebook never", 2, "there is no run 'never'"),
    ("bench growht", 2, "WHAT: expected harness, prefetcher, growth, not 'growht'"),
    ("bench growth --cells 1,x", 2, "--cells 1,x: expected whole numbers from 1 to 999999"),
    ("bench growth --cells 0", 2, "--cells 0: expected whole numbers from 1 to 999999"),
    ("bench prefetcher --pairs 0", 2, "--pairs: expected 1 to 10000, not 0"),
    ("bench growth --out /absent/x.json", 2, "--out /absent/x.json: there is no folder /absent"),
    ("worker garbage", 2, "'garbage' is no address: expected tls://HOST:PORT"),
    ("worker tcp://127.0.0.1:8786", 2, "any user of these hosts included, can run programs as you"),
    ("worker tls://127.0.0.1:8786 --port 70000", 2, "--port: expected 0 to 65535, not 70000"),
    ("worker tls://127.0.0.1:8786 --guests 0", 2, "--guests: expected 1 to 100000, not 0"),
    ("--scheduler garbage", 2, "'garbage' is no address: expected tls://HOST:PORT"),
    ("--scheduler tcp://[::1]:8786", 2, "is without TLS"),
    ("--scheduler tls://127.0.0.1:8786 --jobs 2", 2, "--jobs is of this host, --scheduler of others"),
    ("--tls folder", 2, "--tls and --let-anyone-in are of a --scheduler"),
    ("scheduler tls://127.0.0.1:8786 --tls /absent", 3, "/absent: No such file or directory"),
    ("--replicates +-3", 2, "--replicates: expected a whole number, not '+-3'"),
    ("--seed 2147483648", 2, "--seed: expected 0 to 2147483647, not 2147483648"),
    ("--cache-limit 1_0", 2, "--cache-limit: expected a number of gigabytes above 0"),
    ("bench growth --cells 99999999999999999999", 2, "expected whole numbers from 1 to 999999"),
    ("bench growth --out /dev/null", 2, "--out /dev/null: it is no regular file"),
    ("bench growth --out {results}", 2, "it is no regular file"),
    ("pack good latest", 2, "'latest' is no name for a copy of that run"),
    ("pack good good/x", 2, "'good/x' is no name for a copy of that run"),
    ("findings {long}", 2, "a name is too long"),
    ("--verbose=1 list", 2, "it takes no value"),
    ("certificate {results} --days 3", 2, "is there already"),
    ("certificate /absent/folder", 2, "there is no folder /absent"),
    ("certificate x --days 0", 2, "--days: expected 1 to 36500, not 0"),
]


@pytest.fixture(name="places", scope="module")
def two_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("places")
    good = write_run(folder / "results" / "good", ("baseline", "working-set"), 1)
    (good / "configuration.toml").write_text(SHIPPED.replace("resamples = 9999", "resamples = 199"))
    (folder / "results" / "empty").mkdir()
    return {"results": folder / "results", "cache": folder / "cache"}


@pytest.mark.parametrize(("words", "code", "message"), WORDS, ids=[words for words, _, _ in WORDS])
def test_a_wrong_word_is_answered_in_a_line(
    words: str,
    code: int,
    message: str,
    places: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(needs, "of_run", lambda *_: [])
    given = words.format(**places, long="a" * 300).split(" ")
    chosen = {name: path for name, path in places.items() if not any(word.startswith(f"--{name}") for word in given)}
    assert run.main(in_folders(given, **chosen)) == code
    said = capsys.readouterr().err
    assert message.format(**places) in said
    assert said.startswith("run.py: ")
    assert "Traceback" not in said
    assert "\n  way out: " in said


FILES: list[tuple[str, Callable[[str], bytes], str]] = [
    ("empty", lambda _: b"", "lacks run, testbed, guest"),
    ("5,000 digits", lambda text: text.replace("seed = 20140917", f"seed = {'1' * 5000}").encode(), "4300 digits"),
    ("100,000 brackets", lambda text: f"{text}\n[x]\ny = {'[' * 100_000}".encode(), "nested too deeply"),
    ("UTF-16", lambda text: text.encode("utf-16"), "it is UTF-16; save it as UTF-8"),
    ("Latin-1", lambda text: f"# caf\xe9\n{text}".encode("latin-1"), "line 1: it is not UTF-8; save it as UTF-8"),
    ("NUL", lambda text: f"{text}\0".encode(), "it holds a NUL byte, so it is no text"),
    ("a key twice", lambda text: f"[run]\nseed = 1\nseed = 2\n{text}".encode(), "line 3: not TOML: a key is"),
    ("a table twice", lambda text: f"{text}\n[guest]\nvcpus = 1\n".encode(), "not TOML:"),
    ("no end", lambda text: f"{text}\nx = 'a".encode(), "not TOML:"),
    ("nan", lambda text: text.replace("interval_s = 1.0", "interval_s = nan").encode(), "sampler.interval_s"),
    ("a list", lambda _: b"[[run]]\nseed = 1\n", "run: Input should be a valid dictionary"),
    ("against itself", lambda text: text.replace("[condition.placebo]", '[condition.placebo]\nagainst = "placebo"')
     .encode(),
     "condition.placebo.against: it is compared with itself"),
    ("a policy", lambda text: text.replace('policy = "siblings"', 'policy = "sibling"', 1).encode(),
     "the nearest is siblings"),
    ("a key", lambda text: text.replace("memory_mib", "memory_mb", 1).encode(),
     "guest.memory_mb: there is no such key; the nearest is memory_mib"),
    ("a table", lambda text: text.replace("[sampler]", "[sampl]", 1).encode(),
     "there is no such key; the nearest is sampler"),
    ("a program", lambda text: text.replace('"embed"', '"qemu+ext:///system?command=/bin/sh"').encode(),
     "transport 'ext' runs programs"),
    ("too many ticks", lambda text: text.replace("interval_s = 1.0", "interval_s = 0.01").replace(
        "after_response_s = 10", "after_response_s = 3600").encode(), "are more than the 5,461 that are kept"),
    ("too large", lambda _: b"# x\n" * 5_000_000, "larger than 524288 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_wrong_configuration_is_answered_in_a_few_lines(
    change: Callable[[str], bytes], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(change(SHIPPED))
    assert path.read_bytes() != SHIPPED.encode(), "the change does nothing"
    words = ["--config", str(path), "--dry-run"]
    assert run.main(in_folders(words, results=tmp_path / "results", cache=tmp_path / "cache")) == UsageError.exit_code
    *lines, way_out = capsys.readouterr().err.splitlines()
    assert message in "\n".join(lines)
    assert len(lines) <= 3
    assert all(line.removeprefix("run.py: ").startswith(str(path)) for line in lines)
    assert way_out.startswith("  way out: ")


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SHIPPED.replace("\n", "\r\n").encode())
    words = ["--config", str(path), "--dry-run"]
    assert run.main(in_folders(words, results=tmp_path / "results", cache=tmp_path / "cache")) == 0


RECORDS: list[tuple[str, Callable[[Path], object], int, str]] = [
    ("no cells", lambda folder: (folder / "cells").rename(folder / "gone"), 2, "cells is missing"),
    ("cells is a file", lambda folder: ((folder / "cells").rename(folder / "gone"), (folder / "cells").write_text("")),
     2, "cells is no folder"),
    ("a cell is a file", lambda folder: ((folder / "cells/01-baseline").rename(folder / "gone"),
                                         (folder / "cells/01-baseline").write_text("")),
     0, "cells/01-baseline is a file, not a cell's folder"),
    ("an empty stream", lambda folder: (folder / "cells/01-baseline/samples.jsonl").write_text(""),
     0, "cells/01-baseline/samples.jsonl: empty"),
    ("5,000 digits", lambda folder: (folder / "plan.json").write_text(f'{{"seed": {"1" * 5000}}}'), 2, "4300 digits"),
    ("100,000 brackets", lambda folder: (folder / "plan.json").write_text("[" * 100_000), 2, "nested too deeply"),
]  # fmt: skip


@pytest.mark.whole
@pytest.mark.parametrize(("change", "code", "message"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_a_run_that_lacks_something_says_so(
    change: Callable[[Path], object], code: int, message: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    folder = write_run(tmp_path / "one", ("baseline", "working-set"), 1)
    (folder / "configuration.toml").write_text(SHIPPED.replace("resamples = 9999", "resamples = 199"))
    change(folder)
    assert run.main(["--results", str(tmp_path), "report", "one"]) == code
    assert message in capsys.readouterr().err + caplog.text


@pytest.mark.parametrize("value", ['"abc"', "-5", "null", "[]", "1e400"])
def test_a_response_time_that_is_none_does_not_count(value: str, tmp_path: Path) -> None:
    from analysis.records.frames import make_frames
    from analysis.records.load import load_run

    folder = write_run(tmp_path / "one", ("baseline",), 1)
    path = folder / "cells" / "01-baseline" / "cell.jsonl"
    path.write_text(re.sub(r'"total_s": [0-9.]+', f'"total_s": {value}', path.read_text()))
    (row,) = make_frames(load_run(folder)).cells.to_dict("records")
    assert not row["valid"]
    assert "cell.jsonl" in row["reason"]


def test_a_condition_that_is_compared_with_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"results": tmp_path / "results", "cache": tmp_path / "cache"}
    assert run.main(in_folders(["--conditions", "siblings", "--dry-run"], **places)) == 0
    assert "siblings is compared with nothing: baseline is not among the conditions" in capsys.readouterr().out


def test_options_stand_before_and_after_the_command() -> None:
    for command in COMMANDS:
        words = [argument.metavar for argument in command.arguments if argument.default is None]
        for one in commandline.options_of(command):
            value = {"verbose": [], "replicates": ["3"]}.get(one.name, value_for(one.name, one.keywords.get("action")))
            before = commandline.read([one.flags[-1], *value, *filter(None, [command.name]), *words])
            after = commandline.read([*filter(None, [command.name]), *words, one.flags[-1], *value])
            assert vars(before) == vars(after)
            assert vars(after)[one.name] != one.default


def value_for(name: str, action: object) -> list[str]:
    if action:
        return []
    words = {"accel": "tcg", "keep_guest": "on-failure", "cells": "1", "run": "other", "cache_limit": "7"}
    numbers = {"replicates", "seed", "jobs", "workers", "days", "guests", "port", "pairs"}
    return [words.get(name, "7" if name in numbers else "x")]


def test_each_option_is_used_and_means_one_thing() -> None:
    flags = [flag for one in OPTIONS for flag in one.flags]
    assert len(set(flags)) == len(flags)
    assert {one.name for one in OPTIONS} == {"verbose", *(name for command in COMMANDS for name in command.uses)}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name or "run")
def test_every_command_has_help(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([*filter(None, [command.name]), "--help"]) == 0
    said = capsys.readouterr().out
    assert all(flag in said for one in commandline.options_of(command) for flag in one.flags)


def test_help_shows_first_what_most_people_need_and_takes_no_time() -> None:
    began = os.times()
    done = subprocess.run([*RUN_PY, "--help"], capture_output=True, text=True, cwd=PROJECT, check=True)
    ended = os.times()
    spent = ended.children_user + ended.children_system - began.children_user - began.children_system
    assert spent < 0.5
    first = done.stdout.splitlines()[:24]
    assert sum(line.startswith("  python run.py") for line in first) == 5
    for code, meaning in EXIT_CODES:
        assert f"{code:5}  {meaning}" in done.stdout


def test_the_readme_has_the_same_exit_codes() -> None:
    readme = (PROJECT / "README.md").read_text()
    assert "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES) in readme


@pytest.mark.whole
@pytest.mark.parametrize("words", [["--help"], ["--dry-run", "--suite", "sweep"], ["report", "--help"], ["list"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_fault(words: list[str], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        [*RUN_PY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT, env=environment
    ) as started:
        assert started.stdout and started.stderr
        started.stdout.close()
        said = started.stderr.read().decode()
    assert started.returncode in (0, 141)
    assert said == ""


def test_a_bug_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 means that some cell does not count, which a nightly run leaves to the comparison."""

    def broken(_given: object) -> int:
        raise KeyError("a\x1b[31mb")

    monkeypatch.setattr(listing, "run", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run.main(["list"]) == BUG
    line, way_out = capsys.readouterr().err.splitlines()
    assert line.startswith("run.py: a fault of this program: KeyError: ")
    assert line.isprintable()
    (file,) = tmp_path.glob("container-paging-bug-*.txt")
    assert str(file) in way_out
    assert "Traceback" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.whole
@pytest.mark.parametrize("after_s", [0.05, 0.3, 0.8, 1.5])
def test_ctrl_c_in_the_first_seconds_is_a_line(after_s: float, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*RUN_PY, "--results", tmp_path, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT
    ) as started:
        time.sleep(after_s)
        started.send_signal(signal.SIGINT)
        _, errors = started.communicate()
    said = errors.decode()
    if after_s > 0.1:  # before that Python itself is only being started
        assert "Traceback" not in said
        assert started.returncode in (0, 130)


@pytest.mark.whole
@pytest.mark.parametrize("columns", [80, 40])
def test_a_table_is_readable_at_any_width_without_colour_and_utf_8(columns: int, tmp_path: Path) -> None:
    write_run(tmp_path / "20260102-030405", ("baseline", "working-set"), 2)
    environment = {
        **os.environ, "COLUMNS": str(columns), "TERM": "dumb", "NO_COLOR": "1", "PYTHONIOENCODING": "ascii",
        "FORCE_COLOR": "", "TTY_COMPATIBLE": "1",
    }  # fmt: skip
    words = [*RUN_PY, "--results", str(tmp_path), "list"]
    done = subprocess.run(words, capture_output=True, cwd=PROJECT, env=environment, check=True)
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
    for word in (b"20260102-030405", b"2026-01-02 03:04", b"4 of 4", b"not drawn yet"):
        assert word in done.stdout


def test_list_names_date_suite_cells_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write_run(tmp_path / "one", ("baseline",), 2, invalid=["02-baseline"])
    manifest = json.loads((one / "manifest.json").read_text())
    manifest["suite"] = {"names": ["controls"], "conditions": ["baseline"], "replicates": 2}
    (one / "manifest.json").write_text(json.dumps(manifest))
    (one / "tables").mkdir()
    (one / "tables" / "claims.csv").write_text(
        "claim,claim_verdict\nfigure1,reproduced\nfigure1,reproduced\nhypothesis,not\n"
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.json").write_text("{")
    (tmp_path / "latest").symlink_to("one")
    assert run.main(["--results", str(tmp_path), "list"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"one \(latest\)\W+2026-01-02 03:04\W+controls\W+1 of 2\W+1 reproduced, 1 not", said)
    assert "plan.json: line 1: not JSON" in said


def test_latest_is_the_reference_where_there_is_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write_run(tmp_path / "reference", ("baseline",), 1)
    (tmp_path / "reference" / "cells" / "01-baseline" / "console.log").write_text("booted")
    assert run.main(["--results", str(tmp_path), "console", "latest", "01-baseline"]) == 0
    assert "booted" in capsys.readouterr().out
    assert f"there is no run of your own yet: taken is {tmp_path / 'reference'}" in caplog.text


def test_progress_is_plain_lines_in_a_file_and_fits_a_narrow_terminal() -> None:
    from configuration.load import load
    from configuration.plan import Cell
    from experiment.progress import Progress
    from experiment.terminal.console import Console

    roles = load(PROJECT / "experiments.toml").roles
    for width in (40, 80):
        for terminal in (True, False):
            said = io.StringIO()
            console = Console(file=said, width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
            with Progress(console, roles, 30, 60.0) as progress:
                progress.stage("warm snapshot lxc: activation 2 of 4")
                progress.begin(Cell(1, "working-set", "lxc", "working-set")).step("request")
                shown = io.StringIO()
                plain = Console(file=shown, width=width)
                plain.print(progress._table())
            assert all(len(line) <= width for line in shown.getvalue().splitlines())
            assert "cell 1 of 30" in " ".join(shown.getvalue().split())
            assert "warm snapshot lxc: activation 2 of 4" in said.getvalue()
            assert terminal or "\x1b" not in said.getvalue()


def test_what_is_wrong_with_prefetchds_options_is_found_before_anything_is_built(tmp_path: Path) -> None:
    from configuration.load import load
    from experiment.building.preflight import refuse_early

    settings = load(PROJECT / "experiments.toml", {"testbed": {"accelerator": "tcg"}})
    refuse_early(settings)
    wrong = SHIPPED.replace('hold = "no"', 'hold = "perhaps"')
    assert wrong != SHIPPED
    (tmp_path / "mine.toml").write_text(wrong)
    with pytest.raises(UsageError, match=r"condition\.working-set-unheld\.prefetchd: .*perhaps"):
        refuse_early(load(tmp_path / "mine.toml"))
