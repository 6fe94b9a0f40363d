#!/bin/sh
# Install what the harness needs: Debian packages (with sudo when not root), then a virtual environment.
# usage: testbed/setup.sh VENV
set -eu
venv=$1
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "setup: not root and no sudo; as root, run: $*" >&2
        exit 3
    fi
}

missing=""
for package in $(sed 's/#.*//' testbed/host-packages.txt); do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "setup: installing Debian packages:$missing"
    as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

# Root's embedded libvirt driver looks up this user, which Debian makes only with libvirt's system daemon.
if [ "$(id -u)" -eq 0 ] && ! getent passwd libvirt-qemu >/dev/null; then
    echo "setup: adding the system user libvirt-qemu"
    useradd --system --user-group --no-create-home --home-dir /var/lib/libvirt --shell /usr/sbin/nologin libvirt-qemu
fi

if [ ! -x "$venv/bin/python" ]; then
    echo "setup: making the virtual environment $venv"
    /usr/bin/python3 -m venv "$venv"
fi
echo "setup: installing the pinned Python packages"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$(pwd)[dev,cluster]"
