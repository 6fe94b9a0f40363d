"""The one place that runs a program to its end.

A failed command is printed ready to paste, with the last lines of what it said.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from testbed.errors import HostError

PROJECT = Path(__file__).resolve().parent.parent  # where Python finds the packages
TAIL_LINES = 15
TAIL_BYTES = 64 * 1024
GRACE_SECONDS = 10


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    hint: str | None = None,
    grace: float = GRACE_SECONDS,
) -> str:
    """Run ``command`` to its end and return its standard output as text.

    With ``log``, output and errors are appended to that file instead and "" is returned. If we are interrupted, it has
    ``grace`` seconds to tidy up behind itself before it is killed.
    Raises HostError if the program is missing, fails, or outlasts ``timeout`` seconds.
    """
    words = [os.fspath(word) for word in command]
    environment = {**os.environ, **env} if env else None
    with ExitStack() as stack:
        sink = stack.enter_context(log.open("ab")) if log else None
        try:
            started = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=sink or subprocess.PIPE,
                stderr=subprocess.STDOUT if sink else subprocess.PIPE,
                text=True,
                env=environment,
                cwd=cwd,
            )
        except FileNotFoundError as error:
            raise HostError(f"{words[0]} is not installed", hint or "python run.py doctor") from error
        try:
            output, errors = started.communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            raise HostError(f"still running after {timeout:.0f} s: {shlex.join(words)}", hint) from error
        finally:
            end(started, grace)
    if started.returncode:
        said = tail(log) if log else errors or output
        raise failure(words, started.returncode, said, hint)
    return output or ""


def end(process: subprocess.Popen[str], grace: float) -> None:
    """End a process that still runs."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def failure(words: Sequence[str], code: int, said: str, hint: str | None) -> HostError:
    """The error for a command that ended with ``code``."""
    last = "\n".join(f"    {line}" for line in said.strip().splitlines()[-TAIL_LINES:])
    return HostError(f"this command ended with exit code {code}:\n    {shlex.join(words)}\n{last}", hint)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` lines of a text file, TAIL_BYTES at most; "" if it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
