"""What went wrong in a cell: the console that its guest left, or the guest itself, kept to be looked at."""

import os
import select
import shlex
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from configuration.plan import Cell
from experiment.cell import REHEARSAL
from experiment.run_folder import Store, read_last
from measure.packed import Damaged, read_stored
from testbed.errors import UsageError, nearest, printable
from testbed.guest import Guest, is_active
from testbed.supervision.watch import CONSOLE_BYTES

CONSOLE = "console.log"
KNOWN_HOSTS = "known_hosts"
ALIAS = "paging-guest"  # what the pinned host key is filed under, whatever the port
POLL_S = 0.5

Say = Callable[[str], None]


def named(store: Store, cell_name: str) -> Cell:
    """The cell of a run's plan. Raises UsageError naming those that there are."""
    cells = store.plan().cells
    for cell in cells:
        if cell.name == cell_name:
            return cell
    there = printable(", ".join(sorted(cell.name for cell in cells)))
    near = nearest(cell_name, (cell.name for cell in cells), listed=False)
    raise UsageError(f"run {store.run} has no cell {cell_name!r}{near}", f"its cells: {there}")


def console(store: Store, cell_name: str, out: Say) -> None:
    """Print what a cell's guest wrote to its console; all attempts at the cell, newest last, if some failed.

    Raises UsageError if there is no such cell or it was not run.
    """
    attempts = [
        folder
        for attempt in attempts_at(store, named(store, cell_name))
        for folder in (attempt / REHEARSAL, attempt)
        if folder.is_dir()
    ]
    if not attempts:
        raise UsageError(f"cell {cell_name} of run {store.run} was not run", f"python run.py --resume {store.run}")
    for folder in attempts:
        if len(attempts) > 1:
            out(f"==> {folder.relative_to(store.folder)}: {verdict(folder)}")
        out(console_of(folder))


def attempts_at(store: Store, cell: Cell) -> list[Path]:
    """The folders of the attempts at a cell that there are, oldest first."""
    failed = [path for path in (store.folder / "failed").glob(f"{cell.name}.*") if path.suffix[1:].isdecimal()]
    failed.sort(key=lambda path: int(path.suffix[1:]))
    return [folder for folder in (*failed, store.cell_folder(cell)) if folder.is_dir()]


def verdict(folder: Path) -> str:
    """Why an attempt does not count, in one line."""
    last = read_last(folder / "cell.jsonl")
    if last.get("type") != "end":
        return "has no end"
    reason = printable(str(last.get("reason", ""))).partition("\n")[0]
    return reason or ("counts" if last.get("valid") else "does not count")


def console_of(folder: Path) -> str:
    """An attempt's console as text that a terminal does not obey; packed runs have it compressed."""
    try:
        raw = read_stored(folder / CONSOLE, CONSOLE_BYTES)
    except FileNotFoundError:
        return "(no console was kept)"
    except (OSError, Damaged) as error:
        return f"(the console cannot be read: {printable(str(error))})"
    lines = raw.decode(errors="replace").expandtabs().splitlines()
    return "\n".join(printable(line) for line in lines) or "(the console is empty)"


def keep(guest: Guest, reason: str, out: Say) -> None:
    """Keep a failed guest until Enter is pressed or it is gone; without a terminal until it is gone.

    KeyboardInterrupt passes through: Ctrl-C ends not only the guest but the run, as always.
    """
    out(f"failed: {printable(reason)}")
    if not is_active(guest.domain):
        out(f"the guest is gone, so it cannot be kept{why_gone(guest)}")
        return
    out("the guest is kept")
    out(f"  log in:  {ssh_command(guest)}")
    out(f"  console: {guest.console}")
    if sys.stdin is not None and sys.stdin.isatty():
        out("  Enter ends it and the run goes on; Ctrl-C ends the run, too")
        wait(guest, sys.stdin.fileno())
    else:
        out("  once it is powered off the run goes on; Ctrl-C (SIGINT) ends the run, too")
        wait(guest, None)
    out(f"the guest is not kept any longer{why_gone(guest)}")


def why_gone(guest: Guest) -> str:
    """In words that go on with a sentence: only if it was ended for what it did to this host."""
    guest.watch.look()  # or the watch may be about to say it
    ended = guest.watch.ended
    return f": {ended.args[0]}" if ended else ""


def wait(guest: Guest, terminal: int | None) -> None:
    """Until a line comes from the terminal, or the guest is gone. What else is wrong with it is why it was kept."""
    if terminal is not None:
        termios.tcflush(terminal, termios.TCIFLUSH)  # an Enter from before was not meant for this
    while is_active(guest.domain):
        if terminal is None:
            time.sleep(POLL_S)
        elif select.select([terminal], [], [], POLL_S)[0]:
            os.read(terminal, 4096)
            return


def ssh_command(guest: Guest) -> str:
    """A command line for a shell of the host that logs in with the image's key and accepts its host key alone.

    It is independent of the caller's own SSH settings, which might forward an agent to the guest. The file that
    pins the host key goes beside the guest's disks, and away with them.
    """
    known_hosts = guest.console.with_name(KNOWN_HOSTS)
    descriptor = os.open(known_hosts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{ALIAS} {guest.image.host_key.read_text()}")
    options = {
        "UserKnownHostsFile": f'"{known_hosts}"',  # ssh splits it at spaces
        "HostKeyAlias": ALIAS,
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
    }
    words = ["ssh", "-F", "none", "-i", str(guest.image.private_key), "-p", str(guest.ssh_port)]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return shlex.join([*words, "root@127.0.0.1"])
