"""SIGINT, SIGTERM and SIGHUP: the first ends the work in order, the second ends it at once."""

import contextlib
import os
import signal
import socket
import sys
import threading
from types import FrameType, TracebackType

from testbed import ledger
from testbed.errors import INTERRUPTED

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TIDY_S = 120.0  # in which the end in order has to come; libvirt gives QEMU some 20 s


class Interrupts:
    """For as long as the block lasts; to be entered in the main thread.

    The first signal raises KeyboardInterrupt there. A thread of its own waits for the second, because the main thread
    may be inside a call of libvirt's, where Python runs no signal handler.
    """

    def __enter__(self) -> "Interrupts":
        self._armed = True
        self._ours, self._kernels = socket.socketpair()
        self._kernels.setblocking(False)  # as set_wakeup_fd demands
        threading.Thread(target=self._count, name="interrupts", daemon=True).start()
        self._wakeup = signal.set_wakeup_fd(self._kernels.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._first) for number in INTERRUPTS}
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._kernels.close()  # ends the thread

    def _first(self, _number: int, _frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False  # the way out is not to be interrupted again
            raise KeyboardInterrupt

    def _count(self) -> None:
        seen = 0
        with self._ours:
            while signals := self._receive():
                seen += sum(number in INTERRUPTS for number in signals)
                if seen > 1:
                    end_at_once("interrupted twice")
                if seen:
                    self._ours.settimeout(TIDY_S)

    def _receive(self) -> bytes:
        try:
            return self._ours.recv(64)
        except TimeoutError:
            end_at_once(f"interrupted, and the end in order has not come for {TIDY_S:.0f} s")
            return b""


def end_at_once(why: str) -> None:
    """End guests and child processes, remove what was made for them, and end this process."""
    with contextlib.suppress(OSError):
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # the cursor, which the display of the progress hides
        sys.stderr.write(f"\nrun.py: {why}: ending at once; the cell under way will be run again\n")
        sys.stderr.flush()
    ledger.abandon()
    os._exit(INTERRUPTED)
