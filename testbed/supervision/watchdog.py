"""A limit for calls that cannot be interrupted: libvirt's, which wait for QEMU."""

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed import ledger
from testbed.errors import GuestError, HarnessError, LibvirtStuck
from testbed.ledger import programs

log = logging.getLogger(__name__)

CALL_S = 300.0  # a save of 1 GB takes 10 s on a slow disk
GRACE_S = 60.0  # for the call to return once QEMU is gone
STACKS = "stacks.txt"


@contextmanager
def limited(what: str, folder: Path) -> Iterator[None]:
    """Whatever does not return within CALL_S loses its QEMU, the one that names ``folder``.

    The stacks of all threads go to folder/stacks.txt. Raises LibvirtStuck afterwards. If even that does not free the
    call, the process ends, with the exit code of a lost guest; its ledger is cleared before.
    """
    seconds = CALL_S
    expired, done = threading.Event(), threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        expired.set()
        log.error("libvirt: %s has not returned for %.0f s; ending its QEMU", what, seconds)
        dump_stacks(folder / STACKS)
        programs.end_processes_of(folder, programs.own_mark())
        if not done.wait(GRACE_S):
            give_up(what)

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    except HarnessError as error:
        if expired.is_set():
            raise stuck(what, seconds) from error
        raise
    finally:
        done.set()
        thread.join()
    if expired.is_set():
        raise stuck(what, seconds)


def dump_stacks(path: Path) -> None:
    try:
        with path.open("a") as file:
            faulthandler.dump_traceback(file, all_threads=True)
    except OSError:
        faulthandler.dump_traceback(sys.stderr, all_threads=True)


def give_up(what: str) -> None:
    print(f"run.py: libvirt does not return from: {what}; ending at once. Go on with --resume", file=sys.stderr)
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    ledger.abandon()
    os._exit(GuestError.exit_code)


def stuck(what: str, seconds: float) -> LibvirtStuck:
    return LibvirtStuck(f"libvirt did not return within {seconds:.0f} s from: {what}")
