"""Install the pinned Python packages into the virtual environment that runs this, unless they are all there.

With ``--check``, only say whether the environment works (exit code 0), so that what lacks can be installed into it.
It needs nothing but Python and pip: nothing else may be there yet.
"""

import ast
import os
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distributions
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))  # this runs isolated, and before the project can be found by itself

from testbed.environment import of_ours  # noqa: E402

EXTRAS = ("dev", "cluster")
# The line by which the project is found from any folder: https://docs.python.org/3/library/site.html
POINTER = Path(sysconfig.get_path("purelib"), "container-paging.pth")

# pip's settings that say where packages come from, and how they get here. All others would say what is installed, or
# where to: https://pip.pypa.io/en/stable/topics/configuration/
SOURCES = {
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "cert", "client-cert",
    "timeout", "default-timeout", "retries", "constraint", "cache-dir", "no-cache-dir", "keyring-provider",
}  # fmt: skip


def damage() -> str | None:
    """What is wrong with the environment that no installation into it mends."""
    made_by = dict(
        line.split(" = ", 1) for line in Path(sys.prefix, "pyvenv.cfg").read_text().splitlines() if " = " in line
    ).get("version", "")
    if made_by.split(".")[:2] != [str(number) for number in sys.version_info[:2]]:
        return f"it was made by Python {made_by}"
    try:
        Distribution.from_name("pip")
    except PackageNotFoundError:
        return "it has no pip"
    for distribution in distributions():
        for file in distribution.files or ():
            path = Path(str(file.locate()))
            if file.size is not None and not (path.is_file() and path.stat().st_size == file.size):
                return f"{file} of {distribution.metadata['Name']} is gone or changed"
    return None


def requirements() -> list[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines: list[str] = project["dependencies"]
    return lines + [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]


def lacks() -> list[str]:
    """The requirements of the project, and of all that these require, that are not there in the wanted version."""
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name

    there = {canonicalize_name(found.metadata["Name"]): found for found in distributions()}
    pending = [Requirement(line) for line in requirements()]
    seen, missing = set(), []
    while pending:
        wanted = pending.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        found = there.get(canonicalize_name(wanted.name))
        if found is None or not wanted.specifier.contains(found.version, prereleases=True):
            missing.append(str(wanted))
            continue
        extras = {"", *wanted.extras}
        # Most lines are of extras that nobody asks for, and to parse a line takes long.
        asked = (line for line in found.requires or () if wanted.extras or "extra ==" not in line)
        for further in map(Requirement, asked):
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                pending.append(further)
    return missing


def is_found() -> bool:
    return POINTER.is_file() and POINTER.read_text(encoding="utf-8") == f"{PROJECT}\n"


def sources() -> dict[str, str]:
    """The user's settings of pip that are kept, as variables of the environment."""
    listed = subprocess.run(
        [sys.executable, "-I", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    kept = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        # What stands later in the list has more weight, but for the environment, which has the most and stands first.
        if name in SOURCES and section in {"global", "install"}:
            kept[f"PIP_{name.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    own = {name: value for name, value in os.environ.items() if name[:4] == "PIP_"}
    return kept | {name: own[name] for name in own if name[4:].lower().replace("_", "-") in SOURCES}


def install() -> int:
    of_pip = {**sources(), "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment = of_ours(os.environ) | of_pip
    command = [sys.executable, "-I", "-m", "pip", "install", "--quiet", *requirements()]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


def main() -> int:
    if "--check" in sys.argv:
        wrong = damage()
        if wrong:
            print(f"setup: the virtual environment is not whole: {wrong}")
        return 1 if wrong else 0
    if not is_found():
        POINTER.write_text(f"{PROJECT}\n", encoding="utf-8")
    if not lacks():
        return 0
    print("setup: installing the pinned Python packages")
    if install() or lacks():
        print(
            "setup: the pinned Python packages could not be installed\n"
            "  way out: a network, or pip's settings for an index within reach; then the same command again",
            file=sys.stderr,
        )
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
