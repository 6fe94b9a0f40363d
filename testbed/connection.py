"""The libvirt connection: libvirt's embedded QEMU driver by default, any other URI by setting.

One thread runs libvirt's event loop. The embedded driver keeps its state, sockets and logs below a private
folder of ours and needs neither a daemon nor root (https://libvirt.org/drvqemu.html#embedded-driver).
"""

import atexit
import functools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

from testbed import ledger, notes
from testbed.domain import DOMAIN_NAME
from testbed.errors import HostError

# UNIX socket paths end at 107 bytes (unix(7)), and libvirt appends about 50: the folder's name must be short.
SHORT_PLACE = ledger.SHORT_PLACE
PREFIX = notes.PREFIX
QEMU_CONF = """\
# No log daemon, no security labels, no cgroups, no namespaces: the embedded driver has none of their daemons.
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
user = "+{uid}"
group = "+{gid}"
dynamic_ownership = 0
remember_owner = 0
"""

_loop = threading.Lock()
_loop_runs = False


def start_event_loop() -> None:
    """Start the one thread that owns libvirt's events; must be called before a connection is opened."""
    global _loop_runs
    with _loop:
        if _loop_runs:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised; do not print them too
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run_events, name="libvirt-events", daemon=True).start()
        _loop_runs = True


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


@contextmanager
def connect(uri: str) -> Iterator[tuple[libvirt.virConnect, Path]]:
    """An open connection, and a short private folder for one guest's sockets, gone afterwards.

    ``uri`` is "embed" or any libvirt URI. Raises HostError with libvirt's words.
    """
    start_event_loop()
    connection = embedded_connection() if uri == "embed" else open_connection(uri)
    with ledger.folder(SHORT_PLACE, PREFIX) as sockets:
        try:
            yield connection, sockets
        finally:
            if uri != "embed":
                connection.close()


def open_connection(uri: str) -> libvirt.virConnect:
    """Raises HostError with libvirt's words."""
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise HostError(
            f"libvirt cannot open {uri}: {error}", "apt-get install libvirt-daemon-driver-qemu (run.py doctor)"
        ) from error


@functools.cache
def embedded_connection() -> libvirt.virConnect:
    """One for this process's life: libvirt registers its drivers anew at each opening, and has room for some 15."""
    connection = open_connection(f"qemu:///embed?root={embedded_root()}")
    atexit.register(connection.close)
    return connection


def embedded_log() -> Path:
    """What QEMU said of the embedded driver's guests."""
    return embedded_root() / "log" / "qemu" / f"{DOMAIN_NAME}.log"


@functools.cache
def embedded_root() -> Path:
    """The embedded driver's folder: one for this process's life, which is all that libvirt allows."""
    folder = ledger.make(SHORT_PLACE, PREFIX)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "etc").mkdir()
    (folder / "etc" / "qemu.conf").write_text(QEMU_CONF.format(uid=os.geteuid(), gid=os.getegid()))
    return folder
