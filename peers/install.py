"""What a user would try instead of the prefetcher, in a guest: its programs, and how each is set off."""

from pathlib import Path

from testbed.guest import PEER_PORT, PORT_FOLDER
from testbed.kernel_files import refuse_unsupported
from testbed.ssh.shell import File, Shell

BUILD = Path(__file__).parent / "build"
PEERD, OWN_MADVISE = BUILD / "peerd", BUILD / "own_madvise.so"
BINARIES = (PEERD, OWN_MADVISE)
PRELOADED = f"/usr/local/lib/{OWN_MADVISE.name}"
SWITCH = "/var/lib/peers/own-madvise"  # its presence switches own_madvise on; the containers share /var
UNIT = "peerd"
PORT = f"{PORT_FOLDER}/{PEER_PORT}"
START = """
unit=$1
shift
systemd-run --quiet --unit=$unit -p LimitMEMLOCK=infinity -p OOMScoreAdjust=-900 -p OOMPolicy=continue "$@"
"""
SWITCH_ON = 'mkdir -p "$(dirname "$1")" && touch "$1"'
# Of all processes of a cgroup: regions that are touched get MADV_WILLNEED, from the first aggregation on.
DAMON = """
admin=/sys/kernel/mm/damon/admin/kdamonds
[ -d $admin ] || { echo unsupported: the kernel has no DAMON in sysfs; exit; }
echo 1 > $admin/nr_kdamonds && cd $admin/0/contexts && echo 1 > nr_contexts && cd 0 || exit
grep -qx vaddr avail_operations || { echo unsupported: DAMON has no operations for virtual addresses; exit; }
echo vaddr > operations || exit
set -- $(find "$1" -name cgroup.procs -exec cat {} +)
echo $# > targets/nr_targets || exit
number=0
for pid in "$@"; do
    echo $pid > targets/$number/pid_target || exit
    number=$((number + 1))
done
echo 1 > schemes/nr_schemes && cd schemes/0 && echo willneed > action || exit
echo 4096 > access_pattern/sz/min && echo 18446744073709551615 > access_pattern/sz/max || exit
echo 1 > access_pattern/nr_accesses/min && echo 4294967295 > access_pattern/nr_accesses/max || exit
echo 0 > access_pattern/age/min && echo 4294967295 > access_pattern/age/max || exit
echo on > $admin/0/state
"""
DAMON_ADVISED = """
cd /sys/kernel/mm/damon/admin/kdamonds/0 && echo update_schemes_stats > state || exit
cat contexts/0/schemes/0/stats/sz_applied
"""


def files() -> list[File]:
    return [
        File(f"/usr/local/sbin/{PEERD.name}", PEERD.read_bytes(), 0o755),
        File(PRELOADED, OWN_MADVISE.read_bytes(), 0o755),
    ]


def start_peerd(shell: Shell, *action: str) -> None:
    """Have peerd wait for "go" on PEER_PORT. Raises GuestError."""
    shell.run("sh", "-c", START, "sh", UNIT, f"/usr/local/sbin/{PEERD.name}", "--port", PORT, *action)


def switch_on_madvise(shell: Shell) -> None:
    """From the next accept(2) on service A's processes advise their own memory."""
    shell.run("sh", "-c", SWITCH_ON, "sh", SWITCH)


def start_damon(shell: Shell, cgroup: str) -> None:
    """Raises Unsupported if the kernel has no such DAMON, GuestError if it does not start."""
    refuse_unsupported(shell.run("sh", "-c", DAMON, "sh", cgroup))


def damon_advised(shell: Shell) -> int:
    """Bytes that DAMON's MADV_WILLNEED has been applied to."""
    return int(shell.run("sh", "-c", DAMON_ADVISED))
