"""How the services run in the guest: ``plain`` processes (the paper's figure 1) or ``lxc`` containers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from testbed.ssh.shell import PRESSED_S, File, Shell

WORKLOADS = Path(__file__).parent
MIB = 1024 * 1024
CGROUPS = "/sys/fs/cgroup"
# The container, or slice, of the service that is measured, whichever service it is: its group in every recorded stream.
MEASURED = "service_a"
ALPHA = "alpha"
BYSTANDER = "bystander"
SIGNAL = 'kill -s USR1 "$(lxc-info --name="$1" --pid --no-humanize)"'
# The containers' common root: empty mount points, and the links of a merged /usr.
MAKE_ROOT = """
cd /var/lib/lxc && mkdir -p rootfs && cd rootfs
mkdir -p usr etc srv var run tmp proc sys dev
for link in bin sbin lib lib64; do ln -sfn usr/$link $link; done
"""


@dataclass(frozen=True)
class Topology(ABC):
    """Starts and ends service A and alpha in a guest where their files are installed."""

    service_ceiling_mib: int
    alpha_ceiling_mib: int
    service: str = "service_a"  # whose start script service A's container runs
    bystander_mib: int = 0  # of a container that nobody talks to; 0: there is none

    @property
    @abstractmethod
    def cgroups(self) -> dict[str, str]:
        """The cgroup folders of MEASURED, ALPHA and BYSTANDER, whether or not they exist yet."""

    @abstractmethod
    def files(self, alpha: Sequence[str], port: str) -> list[File]:
        """Unit files or container configurations; ``alpha`` is its command, which writes to device ``port``."""

    @abstractmethod
    def alpha_file(self, alpha: Sequence[str], port: str) -> File:
        """Of these files the one that says what alpha is."""

    @abstractmethod
    def start_service(self, shell: Shell) -> None:
        """Start httpd, then the RDBMS (the paper's order); returns before they are ready."""

    @property
    def has_bystander(self) -> bool:
        return BYSTANDER in self.cgroups

    def start_bystander(self, shell: Shell) -> None:
        """Start the container that nobody talks to; its pages are written soon."""
        shell.run("lxc-start", f"--name={BYSTANDER}", f"--logfile=/var/log/lxc-{BYSTANDER}.log")

    def wake_bystander(self, shell: Shell) -> None:
        """Have it read all of its pages."""
        shell.run("sh", "-c", SIGNAL, "sh", BYSTANDER)

    @abstractmethod
    def start_alpha(self, shell: Shell) -> None:
        """Start alpha; returns before its pages are written."""

    @abstractmethod
    def stop_alpha(self, shell: Shell) -> None:
        """End alpha and wait for its end."""


class Plain(Topology):
    """Processes of systemd services; no ceiling, as in the paper's figure 1."""

    @property
    def cgroups(self) -> dict[str, str]:
        return {MEASURED: f"{CGROUPS}/{MEASURED}.slice", ALPHA: f"{CGROUPS}/{ALPHA}.slice"}

    def files(self, alpha: Sequence[str], port: str) -> list[File]:
        folder = "/etc/systemd/system"
        units = [
            File(f"{folder}/{unit}", (WORKLOADS / "service_a/files" / unit).read_bytes())
            for unit in ("httpd.service", "rdbms.service")
        ]
        return [*units, self.alpha_file(alpha, port)]

    def alpha_file(self, alpha: Sequence[str], port: str) -> File:
        unit = f"[Service]\nSlice=alpha.slice\nExecStart={' '.join(alpha)}\n"
        return File("/etc/systemd/system/alpha.service", unit.encode())

    def start_service(self, shell: Shell) -> None:
        shell.run("systemctl", "start", "httpd.service")
        shell.run("systemctl", "start", "rdbms.service")

    def start_alpha(self, shell: Shell) -> None:
        shell.run("systemctl", "start", "--no-block", "alpha.service")

    def stop_alpha(self, shell: Shell) -> None:
        shell.run("systemctl", "stop", "alpha.service", timeout=PRESSED_S)


class Lxc(Topology):
    """One LXC container for service A, one for alpha, each with its memory ceiling."""

    @property
    def cgroups(self) -> dict[str, str]:
        names = (MEASURED, ALPHA, *((BYSTANDER,) if self.bystander_mib else ()))
        return {name: f"{CGROUPS}/lxc.payload.{name}" for name in names}

    def files(self, alpha: Sequence[str], port: str) -> list[File]:
        return [
            container(MEASURED, f"/usr/local/lib/{self.service}/start", (), self.service_ceiling_mib),
            self.alpha_file(alpha, port),
            *([self._bystander_file(alpha[0])] if self.bystander_mib else []),
        ]

    def alpha_file(self, alpha: Sequence[str], port: str) -> File:
        return container("alpha", " ".join(alpha), (port,), self.alpha_ceiling_mib)

    def _bystander_file(self, program: str) -> File:
        return container(BYSTANDER, f"{program} --mb {self.bystander_mib}", (), 2 * self.bystander_mib)

    def start_service(self, shell: Shell) -> None:
        shell.run("sh", "-c", MAKE_ROOT)
        shell.run("lxc-start", f"--name={MEASURED}", f"--logfile=/var/log/lxc-{MEASURED}.log")

    def start_alpha(self, shell: Shell) -> None:
        shell.run("lxc-start", "--name=alpha", "--logfile=/var/log/lxc-alpha.log")

    def stop_alpha(self, shell: Shell) -> None:
        shell.run("lxc-stop", "--name=alpha", "--kill", timeout=PRESSED_S)


def container(name: str, command: str, devices: Sequence[str], ceiling_mib: int) -> File:
    """The configuration of one LXC container."""
    configuration = render(
        "container.conf.j2", name=name, command=command, devices=devices, memory_max=ceiling_mib * MIB
    )
    return File(f"/var/lib/lxc/{name}/config", configuration)


TOPOLOGIES: dict[str, type[Topology]] = {"plain": Plain, "lxc": Lxc}


def render(template: str, **values: object) -> bytes:
    """A template of workloads/ as bytes."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WORKLOADS),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files of the guest, not HTML; values come from checked settings
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values).encode()
