"""Settings of a guest's kernel that are files below /proc and /sys: for scripts that set them, and what they say."""

from testbed.errors import Unsupported

# Functions of pairs of file and value: whether the kernel has the files, and to write them.
PAIRS = """
known() {
    while [ $# -gt 0 ]; do
        [ -e "$1" ] || { echo "unsupported: the kernel has no $1"; exit; }
        shift 2
    done
}
put() {
    while [ $# -gt 0 ]; do
        printf %s "$2" > "$1" || exit
        shift 2
    done
}
"""


def refuse_unsupported(output: str) -> None:
    """Raises Unsupported with what a script said after "unsupported:"."""
    for line in output.splitlines():
        if line.startswith("unsupported: "):
            raise Unsupported(line.removeprefix("unsupported: "))
