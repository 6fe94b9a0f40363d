"""Which processes belong to a folder, and their end. Stand-ins run under QEMU's name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from stand_ins import HEEDS_NOTHING, running, stand_in

from testbed.ledger import programs
from testbed.ledger.programs import Mark, end_processes_of, mark, names, processes_of


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_in(tmp_path, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "01-baseline-0a1b2c3d"


def test_what_was_started_for_a_folder_ends(qemu: Path, folder: Path) -> None:
    noted = mark()
    with running(qemu, f'{{"driver":"file","filename":"{folder}/root.qcow2"}}') as process:
        assert processes_of(folder, noted) == (process.pid,)
        end_processes_of(folder, noted)
        assert process.wait(5) == -signal.SIGTERM
        assert processes_of(folder, noted) == ()


def test_another_program_that_names_the_folder_survives(qemu: Path, folder: Path) -> None:
    """The Python of a debugger, or a pager."""
    noted = mark()
    with running(sys.executable, str(folder)) as process:
        assert processes_of(folder, noted) == ()
        end_processes_of(folder, noted)
        assert process.poll() is None


def test_one_that_has_only_the_name_of_a_program_survives(qemu: Path, folder: Path, tmp_path: Path) -> None:
    noted = mark()
    alike = tmp_path / qemu.name
    alike.write_bytes(qemu.read_bytes())
    alike.chmod(0o755)
    with running(alike, str(folder)) as process:
        end_processes_of(folder, noted)
        assert process.poll() is None


def test_one_older_than_the_folder_survives(qemu: Path, folder: Path) -> None:
    with running(qemu, str(folder)) as process:
        time.sleep(2 / programs.TICKS)
        noted = mark()
        end_processes_of(folder, noted)
        assert process.poll() is None
        assert processes_of(folder, programs.own_mark()) == (process.pid,), "in the life of this process it was started"


def test_one_of_another_boot_survives(qemu: Path, folder: Path) -> None:
    noted = mark()
    with running(qemu, str(folder)) as process:
        end_processes_of(folder, noted.model_copy(update={"boot": "another"}))
        assert process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("users", [(65534, 65534), (65534, 0), (0, 65534)], ids=str)
def test_another_users_survives(qemu: Path, folder: Path, users: tuple[int, int]) -> None:
    noted = mark()
    become = f"import os; os.setresuid(*{users}, 0)"
    with running(qemu, str(folder), script=f"{become}; import time; print(1, flush=True); time.sleep(1000)") as process:
        assert psutil.Process(process.pid).uids()[:2] == users
        end_processes_of(folder, noted)
        assert process.poll() is None


def test_the_number_of_one_that_is_gone_is_anothers(qemu: Path, folder: Path) -> None:
    """The look found it; when it is to end, what has that number is asked again."""
    noted = mark()
    with running(qemu, "elsewhere") as process:
        programs.end([process.pid], lambda pid: programs.belongs(pid, folder, noted))
        assert process.poll() is None


def test_one_that_ends_when_it_was_asked_takes_its_signal_along(qemu: Path, folder: Path) -> None:
    """Whatever has its number by then: the signal goes to the descriptor, which is nobody's any more."""
    with running(qemu, str(folder)) as process:

        def ends(_: int) -> bool:
            process.kill()
            process.wait()
            return True

        begin = time.monotonic()
        programs.end([process.pid], ends)
        assert time.monotonic() - begin < 1
    assert process.returncode == -signal.SIGKILL


def test_one_that_does_not_heed_sigterm_is_killed(qemu: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "TERMINATE_S", 0.5)
    noted = mark()
    with running(qemu, str(folder), script=HEEDS_NOTHING) as process:
        end_processes_of(folder, noted)
        assert process.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("-a\0/c/guests/x-0a\0", True),
        ("file,path=/c/guests/x-0a/console.log,id=a", True),
        ('{"filename":"/c/guests/x-0a/root.qcow2"}', True),
        ("file:/c/guests/x-0a", True),
        ("/c/guests/x-0a1", False),
        ("/c/guests/x-0a.old/root", False),
        ("/c/guests/x-0a-b", False),
        ("/other/c/guests/x-0a", False),
        ("x-0a", False),
    ],
)
def test_a_folder_is_named_as_a_whole(words: str, named: bool) -> None:
    assert names(words, Path("/c/guests/x-0a")) is named


def test_the_clock_is_that_of_the_processes() -> None:
    before = programs.now()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as process:
        assert before <= programs.started(process.pid) <= programs.now()
        process.communicate("\n")


def test_what_is_noted_is_what_is_started() -> None:
    noted = mark()
    assert {Path(path).name for path in noted.programs} <= {*programs.STARTED}
    assert all(Path(path).is_absolute() and not Path(path).is_symlink() for path in noted.programs)
    assert any(Path(path).name == "unshare" for path in noted.programs)


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    programs.note(tmp_path / "note")
    found = programs.noted(tmp_path / "note")
    assert isinstance(found, Mark)
    assert found.boot == mark().boot
    assert programs.noted(tmp_path / "none") is None
    (tmp_path / "half").write_text('{"boot":')
    assert programs.noted(tmp_path / "half") is None
