"""Nothing imports from above, in Python and in C, and no folder holds more than somebody finds their way in."""

import re
import sys
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

from testbed.process import PROJECT, run

# From the bottom up. What is below guest_c is its own; a program sees its own folders and guest_c.
PREFETCHER = ("guest_c", "kernel", "model", "policy", "container", "daemon", "ctl")
PROGRAMS = ("prefetch", "measure", "peers", "workloads/alpha")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)

MOST = 15  # files directly in a folder
ROOMY = ("tests", "prefetch", "results", "docs")  # their size says nothing: one file a case, layer, run, page


def tracked() -> list[PurePosixPath]:
    return [PurePosixPath(line) for line in run(["git", "-C", PROJECT, "ls-files"]).splitlines()]


def test_python_imports_point_down() -> None:
    """In a process of its own, as import-linter has its own way with loggers."""
    run([Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=PROJECT)


def includes(folder: str) -> list[tuple[PurePosixPath, PurePosixPath]]:
    """Each C file below ``folder`` with each header that it includes, both by their paths in the project."""
    pairs = []
    for path in sorted((PROJECT / folder).rglob("*.[ch]")):
        if "build" in path.relative_to(PROJECT).parts:
            continue
        for name in INCLUDE.findall(path.read_text()):
            found = [place / name for place in (path.parent, PROJECT / folder, PROJECT) if (place / name).is_file()]
            assert found, f"{path}: {name} is not there"
            header = Path(found[0]).resolve().relative_to(PROJECT)
            pairs.append((PurePosixPath(path.relative_to(PROJECT)), PurePosixPath(header)))
    return pairs


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_includes_its_own_headers_and_shared_ones(program: str) -> None:
    pairs = includes(program)
    assert pairs
    assert [pair for pair in pairs if not (pair[1].is_relative_to(program) or pair[1].parts[0] == "guest_c")] == []


def test_shared_headers_include_shared_ones() -> None:
    pairs = includes("guest_c")
    assert pairs
    assert [pair for pair in pairs if pair[1].parts[0] != "guest_c"] == []


def layer(path: PurePosixPath) -> int:
    return PREFETCHER.index(path.parts[0] if path.parts[0] == "guest_c" else path.parts[1])


def test_the_prefetchers_includes_point_down() -> None:
    """Tests, fuzz targets and what benchmarks run stand beside the layers."""
    pairs = [pair for pair in includes("prefetch") if pair[0].parts[1] in PREFETCHER]
    assert {pair[0].parts[1] for pair in pairs} == set(PREFETCHER[1:])
    assert [pair for pair in pairs if layer(pair[1]) > layer(pair[0])] == []


def test_no_folder_is_too_full() -> None:
    files = Counter(path.parent for path in tracked() if path.parts[0] not in ROOMY)
    assert {str(folder): number for folder, number in files.items() if number > MOST} == {}
