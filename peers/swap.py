"""Swap of a guest, switched off and on again: with other settings of its disk, or in compressed memory (zram)."""

from collections.abc import Mapping

from testbed.kernel_files import PAIRS, refuse_unsupported
from testbed.ssh.shell import PRESSED_S, Shell

DISK = "/dev/vdb"
# DEVICE, or "zram" and its MiB; then pairs of file and value.
RENEW = f"""{PAIRS}
device=$1 mib=$2
shift 2
if [ $device = zram ]; then
    modprobe zram num_devices=1 2> /dev/null
    [ -d /sys/block/zram0 ] || {{ echo unsupported: the kernel has no zram; exit; }}
fi
known "$@"
swapoff -a || exit
put "$@"
if [ $device = zram ]; then
    echo ${{mib}}M > /sys/block/zram0/disksize || exit
    device=/dev/zram0
    mkswap $device > /dev/null || exit
fi
swapon $device
"""


def renew(shell: Shell, kind: str, mib: int, settings: Mapping[str, str]) -> None:
    """Write ``settings`` (file -> value) while swap is off; then swap is on the disk, or ``mib`` MiB of zram.

    What was in swap is in memory afterwards, so there must be room. Raises Unsupported, GuestError.
    """
    device = DISK if kind == "disk" else kind
    pairs = [word for pair in settings.items() for word in pair]
    refuse_unsupported(shell.run("sh", "-c", RENEW, "sh", device, str(mib), *pairs, timeout=PRESSED_S))
