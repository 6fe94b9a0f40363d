"""Sixty ways to get experiments.toml wrong, each with the line that a user then reads; and two thousand at random."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.load import Configuration, check, load
from testbed.errors import UsageError
from testbed.process import PROJECT

CONFIGURATION = PROJECT / "experiments.toml"
VALUES: dict[str, Any] = tomllib.loads(CONFIGURATION.read_text())
INTEGER, NUMBER, TEXT = (
    "Input should be a valid integer",
    "Input should be a valid number",
    "Input should be a valid string",
)
GONE = object()  # the key is left out

BAD: list[tuple[str, object, str]] = [
    ("run.seed", -1, "run.seed: Input should be greater than or equal to 0 (given: -1)"),
    ("run.seed", 1.5, f"run.seed: {INTEGER}"),
    ("run.seed", GONE, "run: lacks seed"),
    ("run.suite", "Default", "run.suite.0: String should match pattern"),
    ("run.suite", 1, "run.suite: Input should be a valid tuple (given: 1)"),
    ("run.suite", ["default", "no"], "run.suite: there is no suite 'no'; there are default"),
    ("run.suites", "default", "run.suites: there is no such key; the nearest is suite (given: 'default')"),
    ("run.conditions", "baseline", "run.conditions: Input should be a valid tuple (given: 'baseline')"),
    ("run.conditions", [1], f"run.conditions.0: {TEXT} (given: 1)"),
    ("run.replicates", 10_001, "run.replicates: Input should be less than or equal to 10000 (given: 10001)"),
    ("run", "all", "run: Input should be a valid dictionary"),
    ("suite.default.answers", "", "suite.default.answers: String should match pattern"),
    ("suite.default.conditions", [], "suite.default.conditions: Tuple should have at least 1 item"),
    ("suite.default.replicates", GONE, "suite.default: lacks replicates"),
    ("suite.Default", {}, "suite.Default.[key]: String should match pattern"),
    ("testbed.libvirt_uri", "", 'testbed.libvirt_uri: expected "embed", or a libvirt URI of this host'),
    ("testbed.accelerator", "KVM", "Input should be 'auto', 'kvm' or 'tcg'; the nearest is kvm (given: 'KVM')"),
    ("testbed.accelerators", "kvm", "testbed.accelerators: there is no such key; the nearest is accelerator"),
    ("guest.memory_mib", 128, "guest.memory_mib: Input should be greater than or equal to 256 (given: 128)"),
    ("guest.memory_mib", "1 GB", f"guest.memory_mib: {INTEGER} (given: '1 GB')"),
    ("guest.vcpus", 0, "guest.vcpus: Input should be greater than or equal to 1 (given: 0)"),
    ("guest.vcpus", 65, "guest.vcpus: Input should be less than or equal to 64 (given: 65)"),
    ("guest.root_gb", 1, "guest.root_gb: Input should be greater than or equal to 2 (given: 1)"),
    ("guest.swap_mib", 0, "guest.swap_mib: Input should be greater than or equal to 16 (given: 0)"),
    ("guest.suite", "tri xie", "guest.suite: String should match pattern"),
    ("guest.suite", "../../etc", "guest.suite: String should match pattern"),
    ("guest.kernel_arguments", "quiet\x1b[2J", "guest.kernel_arguments: it holds a character that cannot be printed"),
    ("guest.attempts", 0, "guest.attempts: Input should be greater than or equal to 1 (given: 0)"),
    ("guest", GONE, "lacks guest"),
    ("dataset.source", "web", "dataset.source: Input should be 'auto', 'path', 'download' or 'synthetic'"),
    ("dataset.repository", "file:///etc/passwd", "dataset.repository: String should match pattern"),
    ("dataset.repository", "https://a b", "dataset.repository: String should match pattern"),
    ("dataset.commit", "3C7FA05E", "dataset.commit: String should match pattern"),
    ("dataset.timeout_s", 0, "dataset.timeout_s: Input should be greater than 0 (given: 0)"),
    ("dataset.seed", -7, "dataset.seed: Input should be greater than or equal to 0 (given: -7)"),
    ("dataset.path", 7, f"dataset.path: {TEXT} (given: 7)"),
    ("service_a.buffer_pool", "655 MB", "service_a.buffer_pool: String should match pattern"),
    ("service_a.buffer_pool", 655, f"service_a.buffer_pool: {TEXT} (given: 655)"),
    ("service_a.title", "engineer", "service_a.title: the employees database has no title 'engineer'; it has"),
    ("service_a.httpd_processes", 0, "service_a.httpd_processes: Input should be greater than or equal to 1"),
    ("service_a.ceiling_mib", 0, "service_a.ceiling_mib: Input should be greater than or equal to 1 (given: 0)"),
    ("alpha.size_mib", -819, "alpha.size_mib: Input should be greater than or equal to 1 (given: -819)"),
    ("alpha.stride", 0, "alpha.stride: Input should be greater than or equal to 1 (given: 0)"),
    ("alpha.bytes", 8192, "alpha: bytes must not be larger than stride"),
    ("alpha.ceiling_extra_mib", -1, "alpha.ceiling_extra_mib: Input should be greater than or equal to 0"),
    ("steps.before_request_s", "10 s", f"steps.before_request_s: {NUMBER} (given: '10 s')"),
    ("steps.before_request_s", 86_401, "steps.before_request_s: Input should be less than or equal to 86400"),
    ("steps.before_request_s", float("nan"), "steps.before_request_s: Input should be"),
    ("sampler.interval_s", 0, "sampler.interval_s: Input should be greater than or equal to 0.01 (given: 0)"),
    ("warm.activations", 101, "warm.activations: Input should be less than or equal to 100 (given: 101)"),
    ("warm.idle_rounds", -1, "warm.idle_rounds: Input should be greater than or equal to 0 (given: -1)"),
    ("prefetcher.quiet_ms", 99, "prefetcher.quiet_ms: Input should be greater than or equal to 100 (given: 99)"),
    ("prefetcher.burst", 0, "prefetcher.burst: Input should be greater than or equal to 1 (given: 0)"),
    ("limits.boot_s", float("inf"), "limits.boot_s: Input should be less than or equal to 86400 (given: inf)"),
    ("retry.cell_attempts", 0, "retry.cell_attempts: Input should be greater than or equal to 1 (given: 0)"),
    ("checks.others_share", 25, "checks.others_share: Input should be less than or equal to 1 (given: 25)"),
    ("checks.swapped_out_mib", "50", f"checks.swapped_out_mib: {NUMBER} (given: '50')"),
    ("roles.apache2", 1, f"roles.apache2: {TEXT} (given: 1)"),
    ("roles", GONE, "lacks roles"),
    ("bars.confidence", 0.5, "bars.confidence: Input should be greater than 0.5 (given: 0.5)"),
    ("bars.resamples", 10, "bars.resamples: Input should be greater than or equal to 100 (given: 10)"),
    ("bars.disk", {}, "bars.disk: Dictionary should have at least 1 item"),
    ("bars.disk.iops-200.prefetch", "x", "bars: there is no condition 'x'; there are figure1"),
    ("condition.baseline.topology", "docker", "condition.baseline.topology: Input should be 'plain' or 'lxc'"),
    ("condition.baseline.answers", GONE, "condition.baseline: lacks answers"),
    ("condition.baseline.iops", 200, "condition.baseline.iops: there is no such key; the nearest is disk_iops or"),
    ("condition.figure1.guest", {"relative": "y"}, "condition.figure1.guest.relative.[key]: String should match"),
    ("condition.figure1.guest", {"/sys/../etc/shadow": "x"}, "/sys/../etc/shadow.[key]: a path without '..' is wanted"),
    ("condition.Baseline", {}, "condition.Baseline.[key]: String should match pattern"),
    ("conditions", {}, "conditions: there is no such key; the nearest is condition"),
]  # fmt: skip


def changed(place: str, value: object) -> dict[str, Any]:
    values = copy.deepcopy(VALUES)
    *tables, key = place.split(".")
    table = values
    for name in tables:
        table = table[name]
    if value is GONE:
        del table[key]
    else:
        table[key] = value
    return values


@pytest.mark.parametrize(
    ("place", "value", "message"), BAD, ids=[f"{place}-{n}" for n, (place, _, _) in enumerate(BAD)]
)
def test_a_bad_configuration_is_refused_in_a_line(place: str, value: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(changed(place, value), "mine.toml")
    lines = str(caught.value).splitlines()
    assert any(line.startswith("mine.toml: ") and message in line for line in lines), lines
    assert caught.value.exit_code == 2


def test_there_are_sixty() -> None:
    assert len({place + repr(value) for place, value, _ in BAD}) >= 60


@pytest.mark.parametrize(
    ("text", "message"),
    [("[run]\nseed = 1\nseed = 2\n", "line 3"), ("seed = 'a", "at end of document"), ("\xff", "mine.toml")],
)
def test_what_is_not_toml_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=message):
        load(path)


def places(table: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in table.items():
        if "." in key:
            continue
        found.append(prefix + key)
        if isinstance(value, dict) and "/" not in "".join(value):
            found += places(value, f"{prefix}{key}.")
    return found


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(GONE), st.just({}), st.just([])
)


@settings(max_examples=2000, deadline=None)
@given(place=st.sampled_from(places(VALUES)), value=st.one_of(LEAVES, st.lists(LEAVES.filter(lambda v: v is not GONE))))
def test_whatever_stands_there_is_taken_or_refused(place: str, value: object) -> None:
    """Never another error; and a refusal is of printable lines of bounded length."""
    try:
        taken = check(changed(place, value), "mine.toml")
    except UsageError as error:
        for line in str(error).splitlines():
            assert line.isprintable()
            assert len(line) < 1000
    else:
        assert isinstance(taken, Configuration)
