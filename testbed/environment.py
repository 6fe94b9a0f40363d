"""The environment that the harness and all that it starts run in: the user's settings of other programs stay outside.

They are meant for the user's own use of Python, git, matplotlib and the like. Here they would change results, or end a
run in the middle: a GIT_DIR that names another repository, an APT_CONFIG, a MAKEFLAGS. What says where things are and
how they are reached (PATH, HOME, TMPDIR, proxies, certificates, XDG folders) stays. Nothing but Python is needed here.
"""

import sys
from collections.abc import Mapping

# Beginnings of names: of Python and its libraries, of tools that build images and programs, of what runs guests.
FOREIGN = (
    "PYTHON", "PIP_", "VIRTUAL_ENV", "MPL", "MATPLOTLIB", "JUPYTER", "IPYTHON", "NUMEXPR_", "TRAITLETS_",
    "GIT_", "MAKE", "MFLAGS", "GNUMAKEFLAGS", "CFLAGS", "CPPFLAGS", "LDFLAGS", "LDLIBS", "SOURCE_DATE_EPOCH",
    "APT_", "DPKG_", "DEB", "MMDEBSTRAP", "TAR_OPTIONS", "XZ_", "ZSTD_", "MKE2FS_", "E2FSPROGS", "MYSQL", "MARIADB",
    "QEMU_", "LIBVIRT_DEFAULT_URI", "VIRSH_", "BASH_ENV", "BASH_FUNC", "CDPATH", "POSIXLY_CORRECT", "GREP_", "LANGUAGE",
)  # fmt: skip
FOREIGN_NAMES = ("CC", "CPP", "AR", "ENV", "GZIP")
# How the terminal is written to, whether Python may write beside its sources, and how a network is reached.
KEPT = ("PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "GIT_SSL_CAINFO")
SETTINGS = {
    "LC_ALL": "C.UTF-8",  # what programs say is read
    "PYTHONUTF8": "1",
    "MPLBACKEND": "agg",  # figures are files
    "MATPLOTLIBRC": "/dev/null",
    "JUPYTER_PREFER_ENV_PATH": "1",  # a kernel of the user's may be of an environment that is gone
}


def of_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without what is foreign, and with what is ours; done twice, it is the same."""
    kept = {name: value for name, value in environment.items() if not is_foreign(name)}
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return {"PYTHONIOENCODING": f"{encoding}:replace", **kept, **SETTINGS}


def is_foreign(name: str) -> bool:
    return name not in KEPT and (name in FOREIGN_NAMES or name.startswith(FOREIGN))
