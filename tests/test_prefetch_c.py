"""The prefetcher's C parts: their own unit tests, and how the built programs speak to a user."""

import subprocess
from pathlib import Path

import pytest

from testbed.process import run

FOLDER = Path(__file__).parent.parent / "prefetch"
DAEMON = FOLDER / "build" / "prefetchd"
CONTROL = FOLDER / "build" / "prefetchctl"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    run(["make", "-s", "-C", FOLDER, "all"], timeout=300)


def answer(*command: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a program that is expected to end at once."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.returncode, done.stdout, done.stderr


def test_pure_parts_pass_their_tests_under_sanitizers() -> None:
    said = run(["make", "-s", "-C", FOLDER, "check"], timeout=300)
    for part in ("rangeset", "pageset", "vectors", "maps", "procfs", "options", "events"):
        assert f"test_{part}\n" in said


@pytest.mark.parametrize("program", [DAEMON, CONTROL])
def test_programs_are_static(program: Path) -> None:
    headers = run(["readelf", "--program-headers", "--wide", program])
    assert "LOAD" in headers
    assert "INTERP" not in headers


@pytest.mark.parametrize("program", [DAEMON, CONTROL])
def test_help_teaches_and_succeeds(program: Path) -> None:
    code, said, complaint = answer(program, "--help")
    assert (code, complaint) == (0, "")
    assert said.startswith(f"usage: {program.name} ")
    assert "exit codes:" in said
    assert "working-set" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "--group is missing"),
        (["--group", "a=x"], "--events is missing"),
        (["--group", "nothing"], "expected NAME=SPEC"),
        (["--group", "a=comm:"], "at most 8 names"),
        (["--policy", "all"], "expected off, siblings or working-set"),
        (["--quiet-ms", "soon"], "expected a whole number"),
        (["--frequency", "5"], "--frequency: no such option"),
    ],
)
def test_daemon_refuses_wrong_arguments_in_one_line(arguments: list[str], reason: str) -> None:
    code, said, complaint = answer(DAEMON, *arguments)
    assert (code, said) == (2, "")
    assert complaint.startswith("prefetchd: ")
    assert reason in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["policy"], ["policy", "all"], ["policy", "off", "now"], ["status", "--xml"], ["go"], ["--socket"]],
)
def test_control_refuses_wrong_arguments_in_one_line(arguments: list[str]) -> None:
    code, said, complaint = answer(CONTROL, *arguments)
    assert (code, said) == (2, "")
    assert complaint.startswith("prefetchctl: ")
    assert complaint.count("\n") == 1


def test_control_names_the_socket_that_nobody_answers(tmp_path: Path) -> None:
    code, said, complaint = answer(CONTROL, "--socket", tmp_path / "none.sock", "status")
    assert (code, said) == (3, "")
    assert complaint == f"prefetchctl: no prefetchd at {tmp_path / 'none.sock'}: No such file or directory\n"
