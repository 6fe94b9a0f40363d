#!/usr/bin/env python3
"""The command line of the experiment harness; see README.md.

Its words are data of experiment/commandline.py, and experiment/commands/ does what they say.
"""

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
ENVIRONMENT = PROJECT / ".venv"
STARTED_AGAIN = "PAGING_STARTED_AGAIN"

if __name__ == "__main__":  # until main() can answer it, also in what we start again as
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

try:
    from experiment import commandline
    from testbed import environment
    from testbed.errors import BROKEN_PIPE, BUG, INTERRUPTED, HarnessError, HostError, UsageError, printable
except ModuleNotFoundError as missing:  # of Python's own: these two need nothing else
    print(f"run.py: the module {missing.name} is missing\n  way out: make setup", file=sys.stderr)
    sys.exit(3)


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code, one of testbed.errors.EXIT_CODES. No error gets past it.

    Without ``words`` they are this process's own, and it may have to start again first.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets "?" for what it lacks
    try:
        if words is None:
            start_again_in_ours()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        code = dispatch(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
        return code
    except HarnessError as error:
        say(f"run.py: {error}")
        return error.exit_code
    except BrokenPipeError:
        # What Python would flush at its end has nowhere to go, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            say(f"run.py: a name is too long: {printable(str(error.filename))[:80]}...\n  way out: a shorter one")
            return UsageError.exit_code
        what = printable(str(error)) if error.filename else f"the output cannot be written: {error.strerror or error}"
        say(f"run.py: {what}\n  way out: look at the disk and at the rights of that place")
        return HostError.exit_code
    except KeyboardInterrupt:
        say("\nrun.py: interrupted; no guest runs any more, and nothing recorded is lost")
        return INTERRUPTED
    except Exception as error:
        say(f"run.py: {bug(error)}")
        return BUG


def start_again_in_ours() -> None:
    """With the Python that `make` set up, whichever is on PATH, and without the user's settings of other programs."""
    set_up = (ENVIRONMENT / "bin" / "python").exists()
    python = str(ENVIRONMENT / "bin" / "python") if set_up else sys.executable
    ours = {**environment.of_ours(os.environ), STARTED_AGAIN: str(os.getpid())}
    once = os.environ.get(STARTED_AGAIN) == str(os.getpid())  # which stays the process's own
    if not once and (ours != dict(os.environ) or (set_up and Path(sys.prefix) != ENVIRONMENT)):
        os.execve(python, [python, *sys.argv], ours)  # noqa: S606 - our own words


def dispatch(words: Sequence[str]) -> int:
    """Have the command that the words name do its work; its module is imported only now, as help is to be quick."""
    try:
        said = commandline.read(words)
    except SystemExit:  # argparse has shown help
        return 0
    try:
        from experiment.choices import placed
        from experiment.interrupts import Interrupts
        from experiment.progress import set_up_log

        command = import_module(said.module)
    except ModuleNotFoundError as missing:
        if said.command == "doctor":
            from testbed import host

            host.show(host.tools(), print)
        raise HostError(f"the module {missing.name} is missing", "make setup") from missing
    set_up_log(logging.DEBUG if said.verbose else logging.WARNING)
    with Interrupts():
        code: int = command.run(placed(said))
        return code


def bug(error: Exception) -> str:
    """In a line; the traceback goes into a file."""
    what = printable(f"{type(error).__name__}: {error}").partition("\n")[0][:200]
    try:
        with tempfile.NamedTemporaryFile("w", prefix="container-paging-bug-", suffix=".txt", delete=False) as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        traceback.print_exception(error)
        return f"a fault of this program: {what}"
    return f"a fault of this program: {what}\n  way out: report it with {file.name} (CONTRIBUTING.md)"


def say(text: str) -> None:
    """To standard error, if there is still somebody."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said: Python's own end is not to be interrupted
    sys.exit(code)
