"""KVM where it works, TCG where it does not: decided by booting a kernel, not by looking at /dev/kvm.

/dev/kvm may open and even create a VM on which a stock guest never boots (nested software virtualization).
"""

import json
import logging
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed import ledger, ownership
from testbed.errors import HostError
from testbed.process import run

log = logging.getLogger(__name__)

KVM = Path("/dev/kvm")
REMEMBERED = "accelerator.json"  # of the cache
REMEMBERED_LIMIT = 64 << 10  # bytes
TRIAL_SECONDS = 15
# A kernel without a root file system ends with this panic: it has come all the way through its own boot.
BOOTED = "Unable to mount root fs"


@dataclass(frozen=True)
class Accelerator:
    """What runs the guest's instructions, and why."""

    name: str  # "kvm" or "tcg"
    reason: str


def choose(wanted: str, kernel: Path, cache: Path) -> Accelerator:
    """The accelerator for ``wanted`` ("auto", "kvm" or "tcg"); tries KVM with ``kernel`` at most once per machine.

    Raises HostError, with the reason, where ``wanted`` is "kvm" and KVM does not work.
    """
    if wanted == "tcg":
        return Accelerator("tcg", "asked for")
    found = remembered(cache) or remember(cache, probe(kernel))
    if wanted == "kvm" and found.name != "kvm":
        raise HostError(f"KVM does not work here: {found.reason}", "leave out --accel kvm to use emulation (TCG)")
    return found


def probe(kernel: Path) -> Accelerator:
    """Try KVM: open it, then boot ``kernel`` to the end of its own start-up within TRIAL_SECONDS."""
    if not KVM.exists():
        return Accelerator("tcg", f"{KVM} is not there (no hardware virtualization, or module kvm not loaded)")
    if not os.access(KVM, os.R_OK | os.W_OK):
        return Accelerator("tcg", f"{KVM} may not be opened (add the user to the group kvm)")
    log.info("accelerator: trying KVM with a kernel (at most %d s)", TRIAL_SECONDS)
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-machine", "pc,accel=kvm", "-cpu", "host", "-m", "256", "-serial", "stdio",
        "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1",
    ]  # fmt: skip
    try:
        tried = subprocess.run(
            command, capture_output=True, timeout=TRIAL_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Accelerator("tcg", f"{KVM} opens, but a kernel does not boot on it within {TRIAL_SECONDS} s")
    except FileNotFoundError as error:
        raise HostError("qemu-system-x86_64 is not installed", "apt-get install qemu-system-x86") from error
    if BOOTED in tried.stdout.decode(errors="replace"):
        return Accelerator("kvm", "a kernel boots on it")
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    return Accelerator("tcg", f"{KVM} opens, but QEMU ends on it: {said[0] if said else 'no message'}")


def machine_key() -> dict[str, str]:
    """What the decision holds for: this machine, this boot's kernel, this QEMU."""
    version = run(["qemu-system-x86_64", "--version"], hint="apt-get install qemu-system-x86").splitlines()[0]
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "host": platform.node(),
        "kernel": platform.release(),
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
    with ledger.folder(ownership.own_folder(cache), "accelerator-") as unfinished:
        (unfinished / REMEMBERED).touch(0o600)
        (unfinished / REMEMBERED).write_text(text)
        (unfinished / REMEMBERED).replace(cache / REMEMBERED)
    return found
