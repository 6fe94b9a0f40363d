"""Who gets in to a distributed run: the scheduler's address, and what lets one in there. Pure."""

import ipaddress
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import UsageError

ADDRESS = re.compile(r"(?P<scheme>[a-z]+)://(?P<host>\[[^\[\]\s]+\]|[\w.-]+):(?P<port>[0-9]{1,5})", re.ASCII)
ENCRYPTED, OPEN = "tls", "tcp"
LET_ANYONE_IN = "--let-anyone-in"
WAY_OUT = f"python run.py certificate FOLDER, then --tls FOLDER and {ENCRYPTED}://HOST:PORT (docs/cluster.md)"


@dataclass(frozen=True)
class Access:
    """A scheduler's address, ``tls`` or ``tcp``, with ``tls``, a folder that `run.py certificate` made.

    Without that folder Dask's own configuration has to have a certificate. Raises UsageError where the address is none,
    or lacks TLS without ``let_anyone_in``.
    """

    address: str
    tls: Path | None = None
    let_anyone_in: bool = False

    def __post_init__(self) -> None:
        scheme = scheme_of(self.address)
        if self.encrypted:
            return
        if self.tls:
            raise UsageError(f"{self.address} is without TLS, and --tls wants it", f"{ENCRYPTED}:// ahead of HOST:PORT")
        if not self.let_anyone_in:
            raise UsageError(
                f"{self.address} is without TLS: whoever reaches a port there, any user of these hosts included, "
                "can run programs as you",
                f"{WAY_OUT}; or {LET_ANYONE_IN}, if that is meant",
            )
        if scheme != OPEN:
            raise UsageError(f"{self.address}: expected {ENCRYPTED}:// or {OPEN}://", WAY_OUT)

    @property
    def encrypted(self) -> bool:
        return scheme_of(self.address) == ENCRYPTED

    @property
    def words(self) -> str:
        """Those of a scheduler's and a worker's command line."""
        tls = ["--tls", str(self.tls)] if self.tls else []
        return shlex.join([*tls, *[LET_ANYONE_IN] * self.let_anyone_in, self.address])


def scheme_of(address: str) -> str:
    """Of an address that is SCHEME://HOST:PORT, an IPv6 address in brackets. Raises UsageError for any other."""
    found = ADDRESS.fullmatch(address)
    if not found or not 0 < int(found["port"]) < 65536 or not is_host(found["host"]):
        raise UsageError(f"{address!r} is no address: expected {ENCRYPTED}://HOST:PORT", "docs/cluster.md")
    return found["scheme"]


def is_host(text: str) -> bool:
    """Whether it is an IPv6 address in brackets, or what can be looked up: a name, an IPv4 address."""
    try:
        if text.startswith("["):
            ipaddress.IPv6Address(text[1:-1])
        else:
            text.encode("idna")  # as the look-up does
    except ValueError:
        return False
    return True
