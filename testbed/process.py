"""The one place that starts subprocesses.

A failed command is printed ready to paste, with the last lines of what it said.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.errors import HostError

TAIL_LINES = 15


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    hint: str | None = None,
) -> str:
    """Run ``command`` to its end and return its standard output as text.

    With ``log``, output and errors are appended to that file instead and "" is returned.
    Raises HostError if the program is missing, fails, or outlasts ``timeout`` seconds.
    """
    words = [os.fspath(word) for word in command]
    environment = {**os.environ, **env} if env else None
    try:
        if log:
            with log.open("ab") as sink:
                done = subprocess.run(
                    words,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    env=environment,
                    cwd=cwd,
                    timeout=timeout,
                    check=False,
                )
            if done.returncode:
                raise failure(words, done.returncode, tail(log), hint)
            return ""
        finished = subprocess.run(
            words,
            capture_output=True,
            text=True,
            input=input if input is not None else "",
            env=environment,
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise HostError(f"{words[0]} is not installed", hint or "python run.py doctor") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"still running after {timeout:.0f} s: {shlex.join(words)}", hint) from error
    if finished.returncode:
        raise failure(words, finished.returncode, finished.stderr or finished.stdout, hint)
    return finished.stdout


def failure(words: Sequence[str], code: int, said: str, hint: str | None) -> HostError:
    """The error for a command that ended with ``code``."""
    last = "\n".join(f"    {line}" for line in said.strip().splitlines()[-TAIL_LINES:])
    return HostError(f"this command ended with exit code {code}:\n    {shlex.join(words)}\n{last}", hint)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` lines of a text file; "" if it is not there."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
