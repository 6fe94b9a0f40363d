#!/bin/sh
# Install what the harness needs: Debian packages (with sudo when not root), then a virtual environment in .venv.
# What is there already is asked for every time, and nothing is remembered: a machine that was interrupted, upgraded or
# tidied in between is mended by the same command.
set -eu
cd "$(dirname "$0")/../.."
here=$(pwd)
venv=.venv

die() {
    echo "setup: $1" >&2
    echo "  way out: $2" >&2
    exit 3
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo" "as root: $*"
    fi
}

command -v dpkg-query >/dev/null || die "this is not Debian, nor derived from it: there is no dpkg" \
    "Debian 12 or newer, in a container or a virtual machine"

# Two commands at a time would write to one environment.
if command -v flock >/dev/null; then
    exec 9<.
    flock 9
fi

native=$(dpkg --print-architecture)
missing=""
for package in $(sed 's/#.*//' testbed/setup/host-packages.txt); do
    # A package may be there for several architectures: the machine's own counts.
    dpkg-query --show --showformat='${Architecture} ${db:Status-Status}\n' "$package" 2>/dev/null |
        grep -qxE "($native|all) installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "setup: installing Debian packages:$missing"
    # What an interrupted installation left half done stops every later one.
    as_root dpkg --configure -a
    as_root apt-get update -qq || echo "setup: apt-get update failed; the lists that are there are taken" >&2
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $missing ||
        die "apt-get could not install:$missing" "mend what it says above; then the same command again"
fi

# Root's embedded libvirt driver looks up this user, which Debian makes only with libvirt's system daemon.
if [ "$(id -u)" -eq 0 ] && ! getent passwd libvirt-qemu >/dev/null; then
    echo "setup: adding the system user libvirt-qemu"
    useradd --system --user-group --no-create-home --home-dir /var/lib/libvirt --shell /usr/sbin/nologin libvirt-qemu
fi

# venv itself refuses a colon, which ends an entry of PATH; a line of a .pth file ends where the line ends.
case $here in
*:* | *"
"*) die "a Python environment cannot stand in a folder with a colon or a line end in its name: $here" "rename the folder" ;;
esac
/usr/bin/python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    die "/usr/bin/python3 is older than 3.11, or does not start" "Debian 12 or newer"

# Python is started isolated (-I): the user's own settings are for the user's own programs. Where packages come from
# (index, proxy, certificates) python_packages.py takes over from pip's.
if ! { [ -x "$venv/bin/python" ] && "$venv/bin/python" -I testbed/setup/python_packages.py --check; }; then
    echo "setup: making the virtual environment .venv"
    rm -rf "$venv"
    /usr/bin/python3 -I -m venv "$venv" || die "the virtual environment could not be made in $here" \
        "mend what it says above; then the same command again"
fi
"$venv/bin/python" -I testbed/setup/python_packages.py
