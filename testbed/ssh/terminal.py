"""A guest's root shell at our standard input: a person's at a terminal, or a script's from a pipe."""

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paramiko

from testbed.errors import GuestError, UsageError
from testbed.ssh.shell import Shell

CHUNK = 65536
WINDOW_BYTES = 2 * 1024 * 1024  # paramiko.common.DEFAULT_WINDOW_SIZE
LEAVE = b"\x1d"  # Ctrl-], as in telnet and `virsh console`: in raw mode Ctrl-C is the guest's, which may not answer
LEFT = 130  # what a shell says of a command that was ended with Ctrl-C


def attach(client_shell: Shell) -> int:
    """Run a shell of the guest on our standard streams to its end; its exit code.

    At a terminal it is a login shell with a terminal of the same kind and size; Ctrl-] leaves it at once, with exit
    code LEFT. The guest's bytes reach our terminal unfiltered: that is what a terminal is for, so open one only if
    you would log in there with ssh.
    Without one our input is a script for ``sh -s``, and its output and errors are passed through.
    Raises GuestError if the shell ends without an exit code, UsageError without a standard input.
    """
    if sys.stdin is None:
        raise UsageError("there is no standard input", "a shell without any: < /dev/null")
    source = sys.stdin.fileno()
    with client_shell.open_session() as channel:
        try:
            if not os.isatty(source):
                run_script(channel, source, client_shell.grant)
            elif not converse(channel, source, client_shell.grant):
                return LEFT
        except (paramiko.SSHException, EOFError) as error:
            raise GuestError(f"the guest opens no shell: {error}") from error
        code = channel.recv_exit_status()
    if code < 0:
        raise GuestError("the guest's shell ended without an exit code: it was killed, or the guest is gone")
    return code


def run_script(channel: paramiko.Channel, source: int, grant: Callable[[], None]) -> None:
    """Returns when the guest has said everything."""
    channel.exec_command("sh -s")
    # In a thread of its own: a guest that takes no more input because nobody takes its output would wait forever.
    threading.Thread(target=feed, args=(channel, source), name="stdin", daemon=True).start()
    while not silent(channel):
        select.select([channel], [], [])
        pass_on(channel, grant)


def feed(channel: paramiko.Channel, source: int) -> None:
    """Our input to the guest, and its end, too."""
    try:
        with contextlib.suppress(OSError):  # the guest's shell has ended, or our input cannot be read any more
            while piece := os.read(source, CHUNK):
                channel.sendall(piece)
    finally:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            channel.shutdown_write()


def converse(channel: paramiko.Channel, terminal: int, grant: Callable[[], None]) -> bool:
    """Keys to the guest and its bytes to us until its shell ends; False if the person left before."""
    with resizes() as resized, raw(terminal):
        channel.get_pty(os.environ.get("TERM", "vt100"), *size(terminal))
        channel.invoke_shell()
        sources: tuple[paramiko.Channel | int, ...] = (channel, terminal, resized)
        while not silent(channel):
            ready, _, _ = select.select(sources, [], [])
            if channel in ready:
                pass_on(channel, grant)
            if resized in ready:
                os.read(resized, CHUNK)
                with contextlib.suppress(paramiko.SSHException):  # the guest's shell has just ended
                    channel.resize_pty(*size(terminal))
            if terminal in ready:
                typed = os.read(terminal, CHUNK)
                if not typed or LEAVE in typed:
                    return False
                with contextlib.suppress(OSError):  # as above
                    channel.sendall(typed)
    return True


def silent(channel: paramiko.Channel) -> bool:
    """Whether nothing more comes from the guest. Its end comes after its bytes, so it is looked at first."""
    ended = channel.eof_received or channel.closed
    return bool(ended) and not channel.recv_ready() and not channel.recv_stderr_ready()


def pass_on(channel: paramiko.Channel, grant: Callable[[], None]) -> None:
    """A piece of what the guest says, to our own output or errors; not all of it, or keys would never have a turn."""
    # A peer that keeps to the window that paramiko announced is never further ahead of us.
    if len(channel.in_buffer) + len(channel.in_stderr_buffer) <= WINDOW_BYTES:
        grant()
    if channel.recv_ready():
        sys.stdout.buffer.write(channel.recv(CHUNK))
        sys.stdout.buffer.flush()
    if channel.recv_stderr_ready():
        sys.stderr.buffer.write(channel.recv_stderr(CHUNK))
        sys.stderr.buffer.flush()


def size(terminal: int) -> tuple[int, int]:
    """Columns and lines; 80 x 24 of one that does not know."""
    columns, lines = os.get_terminal_size(terminal)
    return columns or 80, lines or 24


@contextmanager
def raw(terminal: int) -> Iterator[None]:
    """Every key is the guest's, and the terminal is as before afterwards."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal, termios.TCSADRAIN)  # keeps what was typed ahead
    try:
        yield
    finally:
        # What is left of the input was meant for the guest: our caller's shell must not run it. A terminal that
        # was closed needs nothing.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextmanager
def resizes() -> Iterator[int]:
    """A descriptor that can be read whenever our terminal has got another size."""
    reading, writing = os.pipe()
    # Only a byte: paramiko's locks may be held by what the signal interrupts.
    before = signal.signal(signal.SIGWINCH, lambda _number, _frame: os.write(writing, b"."))
    try:
        yield reading
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(reading)
        os.close(writing)
