"""The workflow files: valid, made of make targets, pinned, read-only, and keyed by what images are made of.

And the targets of a night, on made-up runs: only what needs a guest is left out.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_run import Shape, write_run
from ruamel.yaml import YAML

import measure.install
import peers.install
import prefetch.install
import testbed.images.image
import workloads.alpha.install
from experiment.building import image, snapshot
from testbed.images.disk import IMAGES
from testbed.process import PROJECT
from workloads.topology import WORKLOADS

WORKFLOWS = PROJECT / ".github" / "workflows"
NAMES = ("ci.yml", "nightly.yml")
MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = frozenset(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE))
FIRST = "apt-get update && apt-get install -y git make"  # what the first make needs
CHECKOUT = "actions/checkout@11d5960a326750d5838078e36cf38b85af677262 # v4.4.0"
NIGHT = ("kvm", "nightly-run", "nightly-compare", "nightly-bundle", "nightly-good", "growth")
MADE_OF = (
    *snapshot.RECIPE,
    *(binary.parents[1] for binary in (measure.install.BINARY, workloads.alpha.install.BINARY)),
    *(binary.parents[1] for binary in (*prefetch.install.BINARIES, *peers.install.BINARIES)),
    IMAGES,
    WORKLOADS,
    Path(image.__file__),
    Path(testbed.images.image.__file__),
    PROJECT / "experiments.toml",
)


def read(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return workflow


def steps_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the one job that each of our workflows has."""
    (job,) = workflow["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def faults(path: Path) -> list[str]:
    """What is wrong with a workflow file."""
    workflow = read(path)
    steps = steps_of(workflow)
    actions = of_actions(path.read_text().splitlines())
    return [*of_schema(path), *of_runs(steps), *actions, *of_rights(workflow), *of_key(steps)]


def of_schema(path: Path) -> list[str]:
    """GitHub's, which check-jsonschema brings along: nothing is downloaded."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"schema: {done.stdout}{done.stderr}"] if done.returncode else []


def of_runs(steps: list[dict[str, Any]]) -> Iterator[str]:
    if steps[0].get("run") != FIRST:
        yield f"the first step is not: {FIRST}"
    for words in (step["run"] for step in steps[1:] if "run" in step):
        made = re.fullmatch(r"make ([a-z-]+)", words)
        if not made:
            yield f"not a make target: {words}"
        elif made[1] not in TARGETS:
            yield f"the Makefile has no target {made[1]}"


def of_actions(lines: list[str]) -> Iterator[str]:
    """Of all lines that use one, whatever they belong to: a tag may be moved, a commit may not."""
    for line in (line for line in lines if re.search(r"\buses\b", line.partition(" #")[0])):
        if not re.fullmatch(r" +(- )?uses: actions/[a-z-]+(/[a-z-]+)?@[0-9a-f]{40} # v\d+\.\d+\.\d+", line):
            yield f"not GitHub's own, or without its commit and version: {line.strip()}"


def of_rights(workflow: dict[str, Any]) -> Iterator[str]:
    jobs = workflow["jobs"].values()
    if workflow.get("permissions") != {"contents": "read"} or any("permissions" in job for job in jobs):
        yield "may do more than read"


def of_key(steps: list[dict[str, Any]]) -> Iterator[str]:
    """What is built, compiled Python too, would be hashed along with what it is built from."""
    makes = [number for number, step in enumerate(steps) if step.get("run", "").startswith("make")]
    first_make = min(makes, default=len(steps))
    if not hashed(steps[:first_make]):
        yield "no key of images before the first make"
    if hashed(steps[first_make:]):
        yield "a key of images after make has built something"


def hashed(steps: list[dict[str, Any]]) -> list[str]:
    """The patterns that the cache's key is made from."""
    keys = " ".join(str(step.get("with", {}).get("key", "")) for step in steps)
    return [pattern for words in re.findall(r"hashFiles\((.*?)\)", keys) for pattern in re.findall(r"'(.*?)'", words)]


def covers(pattern: str, place: Path) -> bool:
    """Of a file, or of all files below a folder: the two kinds of patterns that we use."""
    base = PROJECT / pattern.removesuffix("/**")
    return place.is_relative_to(base) if pattern.endswith("/**") else place == base


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_is_valid_and_made_of_make_targets(name: str) -> None:
    assert faults(WORKFLOWS / name) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("ci.yml", "permissions:", "permission:", "'permission' was unexpected"),
        ("ci.yml", "    timeout-minutes: 90", "    timeout-minutes: ninety", "schema: "),
        ("nightly.yml", "        id: night\n", "        idd: night\n", "schema: "),
        ("ci.yml", "run: make test", "run: python -m pytest", "not a make target: python -m pytest"),
        ("ci.yml", "run: make test", "run: make test || true", "not a make target: make test || true"),
        ("nightly.yml", "run: make kvm", "run: make cvm", "the Makefile has no target cvm"),
        ("nightly.yml", "install -y git make", "install -y git make curl", "the first step is not: "),
        ("nightly.yml", CHECKOUT, "actions/checkout@v4", "without its commit and version: - uses: actions/checkout@v4"),
        ("nightly.yml", CHECKOUT, "actions/checkout@main # v4.4.0", "without its commit and version: "),
        ("nightly.yml", CHECKOUT, CHECKOUT.replace("@1", "@"), "without its commit and version: "),
        ("nightly.yml", CHECKOUT, CHECKOUT.partition(" ")[0], "without its commit and version: "),
        ("nightly.yml", CHECKOUT, CHECKOUT.replace("actions", "somebody"), "not GitHub's own"),
        ("nightly.yml", f"- uses: {CHECKOUT}", "- {uses: actions/checkout@v4}", "without its commit and version: "),
        ("nightly.yml", "contents: read", "contents: write", "may do more than read"),
        ("nightly.yml", "    timeout-minutes: 180", "    permissions: write-all", "may do more than read"),
        ("ci.yml", f"      - uses: {CHECKOUT}\n", "      - run: make setup\n", "no key of images before"),
    ],
)
def test_a_changed_workflow_is_refused(tmp_path: Path, name: str, old: str, new: str, fault: str) -> None:
    text = (WORKFLOWS / name).read_text()
    assert text.count(old) == 1
    changed = tmp_path / name
    changed.write_text(text.replace(old, new))
    assert fault in "\n".join(faults(changed))


def test_both_key_the_cache_by_what_images_are_made_of() -> None:
    ci, nightly = (hashed(steps_of(read(WORKFLOWS / name))) for name in NAMES)
    assert ci == nightly
    for pattern in ci:
        base = PROJECT / pattern.removesuffix("/**")
        assert base.is_dir() if pattern.endswith("/**") else base.is_file(), pattern
    for place in MADE_OF:
        assert place.exists()
        assert any(covers(pattern, place.resolve()) for pattern in ci), place


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_is_said_and_lies_where_root_alone_writes(name: str) -> None:
    """In a container the checkout, and the home folder too, are those of the runner's user, and the job is root's."""
    workflow = read(WORKFLOWS / name)
    (job,) = workflow["jobs"].values()
    place = job["env"]["PAGING_CACHE"]
    kept = [step["with"]["path"] for step in steps_of(workflow) if "images-" in str(step.get("with", {}).get("key"))]
    kept += [step["with"]["path"] for step in steps_of(workflow) if "images.outputs" in str(step.get("with"))]
    assert kept == [place, place]
    assert Path(place).is_absolute()
    assert place.startswith("/var/cache/")


@pytest.mark.parametrize("said", [True, False])
def test_the_log_of_a_failed_build_is_bundled_from_where_the_cache_is(tmp_path: Path, said: bool) -> None:
    cache = tmp_path / ("elsewhere" if said else ".cache")
    cache.mkdir()
    (cache / "root-0.failed.log").write_text("why")
    settings = {"PAGING_CACHE": str(cache)} if said else {}
    make(tmp_path, "PYTHON=true", "nightly-bundle", **settings)
    assert (tmp_path / "build" / "nightly" / "root-0.failed.log").read_text() == "why"


def test_a_nights_targets_are_explained() -> None:
    used = {step["run"].removeprefix("make ") for step in steps_of(read(WORKFLOWS / "nightly.yml")) if "run" in step}
    assert used - {FIRST} == {*NIGHT, "setup"}
    for target in NIGHT:
        assert f"\n# make {target} " in MAKEFILE


def make(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """The project's Makefile at work in ``folder``, without the set-up, and with only these settings."""
    given = ["--no-print-directory", "-C", str(folder), "-f", str(PROJECT / "Makefile"), "-o", "setup", *words]
    environment = {"PATH": os.environ["PATH"], **settings}
    done = subprocess.run(["make", *given], env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done


def test_the_suite_is_run_as_the_settings_say(tmp_path: Path) -> None:
    assert make(tmp_path, "PYTHON=echo", "nightly-run").stdout.splitlines()[-1] == (
        "run.py --accel auto --replicates 10 --cache-limit 30"
    )
    night = {"ACCEL": "kvm", "REPLICATES": "1", "CACHE_GB": "8"}
    assert make(tmp_path, "PYTHON=echo", "nightly-run", **night).stdout.splitlines()[-1] == (
        "run.py --accel kvm --replicates 1 --cache-limit 8"
    )
    (job,) = read(WORKFLOWS / "nightly.yml")["jobs"].values()
    said = {name: str(value) for name, value in job["env"].items() if name not in ("ACCEPT", "PAGING_CACHE")}
    assert {**night, "REPLICATES": "10"} == said


@pytest.mark.parametrize(("code", "fails"), [(0, False), (1, False), (3, True), (5, True)])
def test_cells_that_do_not_count_are_left_to_the_comparison(tmp_path: Path, code: int, fails: bool) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {code}\n")
    python.chmod(0o755)
    assert bool(make(tmp_path, f"PYTHON={python}", "nightly-run").returncode) == fails


def test_kvm_or_one_line_why_not(tmp_path: Path) -> None:
    there = make(tmp_path, "PYTHON=echo", "KVM=/dev/null", "kvm")
    assert (there.returncode, there.stdout.splitlines()[-1]) == (0, "run.py --accel kvm prepare")
    absent = make(tmp_path, "PYTHON=echo", "KVM=/absent", "kvm")
    assert absent.returncode != 0
    assert absent.stderr.startswith("kvm: /absent is not there, or not this user's to open (group kvm)\n")
    assert "run.py" not in absent.stdout


@pytest.mark.whole
def test_what_follows_the_run_of_a_night(tmp_path: Path) -> None:
    """Packed with its evidence, kept as the good one, compared with the next, which is worse."""
    python = tmp_path / "python"
    results = tmp_path / "results"
    python.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} {PROJECT}/run.py --results {results} "$@"\n')
    python.chmod(0o755)
    good = made_up(results / "one", seed=1)
    evidence = good / "failed" / "01-baseline.1" / "evidence"
    evidence.mkdir(parents=True)
    (evidence / "error.txt").write_text("why")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "root-0.failed.log").write_text("why")

    assert make(tmp_path, "nightly-good").returncode != 0, "nothing is packed yet"
    assert make(tmp_path, f"PYTHON={python}", "nightly-bundle").returncode == 0
    packed = tmp_path / "build" / "nightly" / "run"
    for name in ("report.html", "tables/claims.csv", "manifest.json", "failed/01-baseline.1/evidence/error.txt"):
        assert (packed / name).is_file(), name
    assert (packed.parent / "root-0.failed.log").is_file()

    summary = tmp_path / "summary.md"
    compare = (f"PYTHON={python}", "nightly-compare")
    without = make(tmp_path, *compare)
    assert without.returncode != 0
    assert "there is no run 'reference'" in without.stderr, "the committed run, as long as none was kept"
    assert make(tmp_path, "nightly-good").returncode == 0
    assert (results / "accepted" / "plan.json").is_file(), "the first one is"
    made_up(results / "two", seed=2)
    same = make(tmp_path, *compare, GITHUB_STEP_SUMMARY=str(summary))
    assert same.returncode == 0
    assert "## Two runs side by side" not in same.stdout
    made_up(results / "three", seed=3, peak=1450)
    worse = make(tmp_path, *compare, GITHUB_STEP_SUMMARY=str(summary))
    assert worse.returncode != 0
    assert "failed, as asked: " in worse.stdout
    first, second = summary.read_text().split("## Two runs side by side: ")[1:]  # last-good is the accepted one
    assert first.startswith("nothing is shown to be worse, and no claim turned\n")
    assert second.startswith("what is worse, turned or lost\n\n- **claim working-set: reproduced, now not**\n")
    assert "- **major faults, RDBMS, working-set**\n" in second
    assert make(tmp_path, f"PYTHON={python}", "nightly-bundle").returncode == 0
    assert make(tmp_path, "nightly-good").returncode == 0
    drifted = make(tmp_path, *compare)
    assert drifted.returncode != 0
    assert "## Two runs side by side" in drifted.stdout, "on the terminal, where nothing is asked for"
    assert drifted.stdout.count("failed, as asked: ") == 1, "as the last one, and not as the accepted one"
    assert make(tmp_path, "nightly-good", "ACCEPT=yes").returncode == 0
    assert (results / "accepted" / "plan.json").read_bytes() == (results / "three" / "plan.json").read_bytes()


def test_the_first_night_is_judged_by_its_claims_alone(tmp_path: Path) -> None:
    said = make(tmp_path, "PYTHON=echo", "nightly-compare").stdout.splitlines()[-1]
    assert said == "run.py compare reference latest --fail-on flipped-claim --summary -"


def made_up(folder: Path, *, seed: int, peak: int = 20) -> Path:
    """A run of 8 replicates that is the latest; ``peak``: major faults that the working set's prefetch leaves."""
    shapes = {"working-set": Shape(peak, pages=8040)}
    write_run(folder, ("baseline", "working-set"), 8, seed=seed, shapes=shapes)
    text = (PROJECT / "experiments.toml").read_text()
    (folder / "configuration.toml").write_text(re.sub(r"(?m)^resamples = \d+$", "resamples = 999", text))
    latest = folder.parent / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name)
    return folder
