"""Program alpha in a guest: its file and its command."""

from pathlib import Path

from testbed.guest import ALPHA_PORT, PORT_FOLDER
from testbed.ssh.shell import File, Shell
from workloads.alpha.settings import AlphaSettings

BINARY = Path(__file__).parent / "build" / "alpha"
TARGET = "/usr/local/bin/alpha"
PORT = f"{PORT_FOLDER}/{ALPHA_PORT}"


def files() -> list[File]:
    return [File(TARGET, BINARY.read_bytes(), 0o755)]


def port(shell: Shell) -> str:
    """The device for alpha's events: the node itself, as containers have no udev links."""
    return shell.run("readlink", "--canonicalize-existing", PORT).strip()


def command(alpha: AlphaSettings, events: str) -> list[str]:
    """alpha's words; its events go to the device ``events``."""
    sizes = ["--mb", str(alpha.size_mib), "--stride", str(alpha.stride), "--bytes", str(alpha.bytes)]
    return [TARGET, *sizes, "--events", events]
