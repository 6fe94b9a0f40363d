"""KVM where it works, TCG where it does not: decided by booting a kernel, not by looking at /dev/kvm.

/dev/kvm may open and even create a VM on which a stock guest never boots (nested software virtualization).
"""

import json
import logging
import os
import platform
import select
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.errors import HostError, printable
from testbed.files import ownership
from testbed.files.plain import aside
from testbed.ledger import programs
from testbed.process import run

log = logging.getLogger(__name__)

KVM = Path("/dev/kvm")
REMEMBERED = "accelerator.json"  # of the cache
REMEMBERED_LIMIT = 64 << 10  # bytes
TRIAL_SECONDS = 15.0
ASKED_SECONDS = 60.0  # nested in emulation a kernel takes 13 to 48 s
SAID_BYTES = 1 << 20
# A kernel without a root file system ends with this panic: it has come all the way through its own boot.
BOOTED = "Unable to mount root fs"
# QEMU stays, with its guest stopped, where the kernel's KVM cannot go on with an instruction.
BROKEN = "KVM internal error"


@dataclass(frozen=True)
class Accelerator:
    """What runs the guest's instructions, and why."""

    name: str  # "kvm" or "tcg"
    reason: str


@dataclass(frozen=True)
class Trial:
    """What was found out, and whether it is only that time ran out."""

    found: Accelerator
    ran_out: bool = False


def refuse_early(wanted: str) -> None:
    """Before anything is built for it. Raises HostError where ``wanted`` is "kvm" and the device cannot be opened."""
    if wanted == "kvm" and (reason := missing()):
        raise unusable(reason)


def unusable(reason: str) -> HostError:
    return HostError(f"KVM does not work here: {reason}", "leave out --accel kvm to use emulation (TCG)")


def choose(wanted: str, kernel: Path, cache: Path) -> Accelerator:
    """The accelerator for ``wanted`` ("auto", "kvm" or "tcg").

    KVM is tried with ``kernel``, once as long as this machine runs, but for what ran out of time: a busy host is no
    reason, and whoever asks for KVM has it tried for longer. Raises HostError, with the reason, where ``wanted`` is
    "kvm" and KVM does not work.
    """
    if wanted == "tcg":
        return Accelerator("tcg", "asked for")
    asked = wanted == "kvm"
    found = remembered(cache)
    if found is None or (asked and found.name != "kvm"):
        trial = probe(kernel, ASKED_SECONDS if asked else TRIAL_SECONDS)
        found = trial.found if trial.ran_out else remember(cache, trial.found)
    if asked and found.name != "kvm":
        raise unusable(found.reason)
    return found


def probe(kernel: Path, seconds: float) -> Trial:
    """Try KVM: open it, then boot ``kernel`` to the end of its own start-up within ``seconds``.

    Raises HostError without QEMU.
    """
    if reason := missing():
        return Trial(Accelerator("tcg", reason))
    log.info("accelerator: trying KVM with a kernel (at most %.0f s)", seconds)
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-machine", "pc,accel=kvm", "-cpu", "host", "-m", "256", "-serial", "stdio",
        "-kernel", str(kernel), "-append", "console=ttyS0 quiet panic=-1",
    ]  # fmt: skip
    try:
        tried = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
    except FileNotFoundError as error:
        raise HostError("qemu-system-x86_64 is not installed", "apt-get install qemu-system-x86") from error
    with tried:
        said, ran_out = listen(tried, seconds)
        tried.kill()
    if BOOTED in said:
        return Trial(Accelerator("kvm", "a kernel boots on it"))
    if ran_out:
        return Trial(Accelerator("tcg", f"{KVM} opens, but no kernel boots on it within {seconds:.0f} s"), ran_out=True)
    lines = [line.strip() for line in said.splitlines() if BROKEN in line] or said.strip().splitlines()
    word = printable(lines[0]) if lines else "no message"
    return Trial(Accelerator("tcg", f"{KVM} opens, but QEMU ends on it: {word}"))


def missing() -> str | None:
    """Why KVM cannot be tried here; None if it can."""
    if not KVM.exists():
        return f"{KVM} is not there (no hardware virtualization, or module kvm not loaded)"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return f"{KVM} may not be opened (add the user to the group kvm)"
    return None


def listen(tried: subprocess.Popen[bytes], seconds: float) -> tuple[str, bool]:
    """What QEMU and its guest say until one of them says how it went, or QEMU ends; and whether time ran out before."""
    assert tried.stdout is not None  # noqa: S101 - it is a pipe
    deadline = time.monotonic() + seconds
    said = b""
    while not any(word.encode() in said for word in (BOOTED, BROKEN)):
        ready, _, _ = select.select([tried.stdout], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return said.decode(errors="replace"), True
        piece = os.read(tried.stdout.fileno(), 65536)
        if not piece:
            break
        said = (said + piece)[-SAID_BYTES:]
    return said.decode(errors="replace"), False


def machine_key() -> dict[str, str]:
    """What the decision holds for: this machine, this boot of it, this QEMU."""
    version = run(["qemu-system-x86_64", "--version"], hint="apt-get install qemu-system-x86").splitlines()[0]
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "host": platform.node(),
        "kernel": platform.release(),
        "boot": programs.boot(),
        "cpu": model,
        "qemu": version,
        "device": str(KVM.exists() and os.access(KVM, os.R_OK | os.W_OK)),
    }


def remembered(cache: Path) -> Accelerator | None:
    """What was found out here before; not what somebody else has put there."""
    try:
        with os.fdopen(ownership.open_file(cache / REMEMBERED, os.O_RDONLY), "rb") as file:
            stored = json.loads(file.read(REMEMBERED_LIMIT))
        return Accelerator(**stored["accelerator"]) if stored["machine"] == machine_key() else None
    except (OSError, ValueError, KeyError, TypeError, HostError):
        return None


def remember(cache: Path, found: Accelerator) -> Accelerator:
    """Two runs may find out at once: the last one's word stays. Raises HostError if the cache is not ours."""
    text = json.dumps({"machine": machine_key(), "accelerator": asdict(found)}, indent=2)
    with aside(ownership.own_folder(cache) / REMEMBERED, rights=0o600) as file:
        file.write(text)
    return found
