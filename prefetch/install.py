"""The prefetcher in a guest: its files, and the switch of its policy."""

import base64
from collections.abc import Mapping
from pathlib import Path

from prefetch.settings import PrefetcherSettings
from testbed.cpus import first_alone
from testbed.guest import PORT_FOLDER, PREFETCH_PORT
from testbed.ssh.shell import PRESSED_S, File, Shell

BUILD = Path(__file__).parent / "build"
TOUCHER = BUILD / "toucher"  # for benchmark and tests alone
BINARIES = (BUILD / "prefetchd", BUILD / "prefetchctl")
PORT = f"{PORT_FOLDER}/{PREFETCH_PORT}"
UNIT_NAME = "prefetchd.service"
SOCKET = "/run/prefetchd.sock"
CONTROL = "/usr/local/sbin/prefetchctl"
TRACE = "/var/lib/prefetchd/last.trace"  # the set file of policy oracle
# The paper's policy and the controls are not to be cut short; ours stays far below the default of 25.
SHARE_PERCENT = 100
UNIT = """\
[Unit]
Description=container-aware prefetcher

[Service]
ExecStart=/usr/local/sbin/prefetchd {groups} --policy off --events {port} \
--quiet-ms {trigger.quiet_ms} --settle-ms {trigger.settle_ms} \
--burst {trigger.burst} --burst-ms {trigger.burst_ms} --share-percent {share_percent} \
--state /var/lib/prefetchd{options}
StateDirectory=prefetchd
LimitMEMLOCK=infinity
OOMScoreAdjust=-900
"""


def files(groups: Mapping[str, str], trigger: PrefetcherSettings) -> list[File]:
    """The prefetcher and its unit for ``groups`` (name -> cgroup folder); it records and prefetches nothing."""
    programs = (File(f"/usr/local/sbin/{binary.name}", binary.read_bytes(), 0o755) for binary in BINARIES)
    return [*programs, unit(groups, trigger)]


def unit(groups: Mapping[str, str], trigger: PrefetcherSettings, options: Mapping[str, str] | None = None) -> File:
    """``options``: of ``prefetchd --help`` without the dashes, with their values; they override those of all."""
    words = " ".join(f"--group {name}={spec}" for name, spec in groups.items())
    own = "".join(f" --{option} {value}" for option, value in (options or {}).items())
    text = UNIT.format(groups=words, port=PORT, trigger=trigger, share_percent=SHARE_PERCENT, options=own)
    return File(f"/etc/systemd/system/{UNIT_NAME}", text.encode())


def stop(shell: Shell, service: str = UNIT_NAME) -> None:
    """Stop the ``service`` that runs prefetchd, which takes its kprobe away. Raises GuestError."""
    with first_alone(shell):
        shell.run("systemctl", "stop", service)


def start(shell: Shell, groups: Mapping[str, str], trigger: PrefetcherSettings, options: Mapping[str, str]) -> None:
    """Start prefetchd, for ``groups`` (name -> SPEC of ``prefetchd --help``). Raises GuestError."""
    shell.put([unit(groups, trigger, options)])
    shell.run("systemctl", "daemon-reload")
    shell.run("systemctl", "start", UNIT_NAME)  # not on the first CPU alone: it watches those that are online


def set_policy(shell: Shell, policy: str, *trace: str) -> None:
    """Switch the running prefetchd; oracle has a ``trace``. Raises GuestError with prefetchctl's words."""
    shell.run(CONTROL, "policy", policy, *trace)


def read_trace(shell: Shell, group: str) -> bytes:
    """What the last activation of ``group`` needed, as a set file. Raises GuestError if there was none."""
    shell.run(CONTROL, "trace", group, TRACE, timeout=PRESSED_S)
    return base64.b64decode(shell.run("base64", TRACE, timeout=PRESSED_S))


def put_trace(shell: Shell, trace: bytes) -> None:
    """For policy oracle. Raises GuestError."""
    shell.put([File(TRACE, trace)])
