"""Every subprocess goes through one place, which says what failed, ready to paste."""

from pathlib import Path

import pytest

from testbed.errors import HostError
from testbed.process import run, tail


def test_output_and_input() -> None:
    assert run(["cat"], input="as it is\n") == "as it is\n"
    assert run(["sh", "-c", "echo $WORD"], env={"WORD": "given"}) == "given\n"


def test_a_failure_is_ready_to_paste_with_its_last_words() -> None:
    with pytest.raises(HostError) as caught:
        run(["sh", "-c", "echo a reason >&2; exit 7", "it's"], hint="do that")
    message = str(caught.value)
    assert "exit code 7" in message
    assert """sh -c 'echo a reason >&2; exit 7' 'it'"'"'s'""" in message
    assert "a reason" in message
    assert "way out: do that" in message


def test_a_missing_program_is_named() -> None:
    with pytest.raises(HostError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_a_time_limit_ends_the_command() -> None:
    with pytest.raises(HostError, match="still running after"):
        run(["sleep", "5"], timeout=0.1)


def test_a_log_gets_the_output_and_gives_its_tail(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run(["echo", "first"], log=log) == ""
    with pytest.raises(HostError, match="second"):
        run(["sh", "-c", "echo second; exit 1"], log=log)
    assert log.read_text() == "first\nsecond\n"
    assert tail(log, 1) == "second"
    assert tail(tmp_path / "absent") == ""


def test_a_command_that_is_ended_may_tidy_up(tmp_path: Path) -> None:
    script = 'trap "echo tidy > done; exit" TERM; sleep 5 & wait'
    with pytest.raises(HostError, match="still running after"):
        run(["sh", "-c", script], timeout=0.3, cwd=tmp_path)
    assert (tmp_path / "done").read_text() == "tidy\n"


def test_what_a_guest_says_cannot_drive_a_terminal() -> None:
    assert str(HostError("panic \x1b[2J\r\x07 x\ny")) == "panic \ufffd[2J\ufffd\ufffd x\ny"
