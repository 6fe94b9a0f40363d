"""The libvirt connection: libvirt's embedded QEMU driver by default, any other URI by setting.

One thread runs libvirt's event loop. The embedded driver keeps its state, sockets and logs below a private
folder of ours and needs neither a daemon nor root (https://libvirt.org/drvqemu.html#embedded-driver).
"""

import atexit
import functools
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import libvirt
from pydantic import AfterValidator

from testbed import ledger
from testbed.domain import DOMAIN_NAME
from testbed.errors import HostError
from testbed.ledger import notes

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

EMBEDDED = "embed"
TRANSPORTS = ("", "unix", "tls", "tcp")  # the others run programs: ssh(1), or whatever "command" says (+ext)
PARAMETERS = ("socket", "mode", "root")  # likewise: command, netcat, proxy, keyfile, ...


def local_uri(uri: str) -> str:
    """``uri`` if it is "embed" or one of libvirt's that can make it run no program (https://libvirt.org/uri.html).

    Raises ValueError.
    """
    if uri == EMBEDDED:
        return uri
    parts = urlsplit(uri)
    driver, _, transport = parts.scheme.partition("+")
    here = uri.lower().startswith(f"{parts.scheme}:///") or parts.hostname in ("localhost", "127.0.0.1", "::1")
    # libvirt ends a parameter at a semicolon, too, and Python's reader leaves out what is no printable ASCII.
    if not driver or not here or not re.fullmatch(r"[!-~]+", uri) or ";" in uri:
        raise ValueError('expected "embed", or a libvirt URI of this host such as qemu:///system')
    if transport not in TRANSPORTS:
        raise ValueError(f"transport {transport!r} runs programs; expected one of unix, tls, tcp, or none")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name not in PARAMETERS:
            raise ValueError(f"parameter {name!r} is not taken, as some run programs; expected {', '.join(PARAMETERS)}")
    return uri


LibvirtUri = Annotated[str, AfterValidator(local_uri)]

_loop = threading.Lock()


def start_event_loop() -> None:
    """Start the thread that owns libvirt's events, of which a process has one; before a connection is opened."""
    with _loop:
        _start_event_loop()


@functools.cache
def _start_event_loop() -> None:
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised; do not print them too
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_events, name="libvirt-events", daemon=True).start()


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


@contextmanager
def connect(uri: str) -> Iterator[tuple[libvirt.virConnect, Path]]:
    """An open connection, and a short private folder for one guest's sockets, gone afterwards.

    ``uri`` is "embed" or any libvirt URI. Raises HostError with libvirt's words.
    """
    start_event_loop()
    connection = embedded_connection() if uri == EMBEDDED else open_connection(uri)
    with ledger.folder(SHORT_PLACE, PREFIX) as sockets:
        try:
            yield connection, sockets
        finally:
            if uri != EMBEDDED:
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
