"""experiments.toml is checked whole, and every mistake is one clear line with its place."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from configuration.load import check, load
from testbed.errors import UsageError
from testbed.process import PROJECT

CONFIGURATION = PROJECT / "experiments.toml"


def values() -> dict[str, Any]:
    return tomllib.loads(CONFIGURATION.read_text())


def test_the_shipped_configuration_holds_the_papers_numbers() -> None:
    configuration = load(CONFIGURATION)
    assert (configuration.guest.memory_mib, configuration.guest.swap_mib, configuration.guest.root_gb) == (
        1024,
        1024,
        10,
    )
    assert (configuration.alpha.size_mib, configuration.alpha.stride, configuration.alpha.bytes) == (819, 4096, 4)
    assert configuration.service_a.buffer_pool == "655M"
    waits = {"before_alpha_s": 5, "before_recording_s": 1, "before_request_s": 10, "after_response_s": 10}
    assert configuration.steps.model_dump() == waits
    assert set(configuration.conditions) == {"figure1", "baseline", "baseline-again", "siblings", "working-set"}
    assert configuration.replicates == 6


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("run", "replicates", 0, "run.replicates"),
        ("run", "replicates", -3, "(given: -3)"),
        ("run", "replicates", "three", "valid integer"),
        ("run", "replicats", 3, "run.replicats: there is no such key; the nearest is replicates"),
        ("run", "conditions", ["baseline", "nonsense"], "no condition 'nonsense'; there are figure1, baseline, "),
        ("run", "conditions", ["baseline", "baseline"], "named twice"),
        ("run", "conditions", [], "run.conditions"),
        ("run", "suite", "nonsense", "run.suite: there is no suite 'nonsense'; there are default, controls, "),
        ("suite.default", "replicates", 0, "suite.default.replicates"),
        ("suite.default", "answers", "two\nlines", "suite.default.answers"),
        ("suite.prefetcher", "conditions", ["x"], "suite.prefetcher.conditions: there is no condition 'x'"),
        ("suite.prefetcher", "conditions", ["baseline", "baseline"], "suite.prefetcher.conditions: a condition is"),
        ("condition.baseline", "disk_iops", -1, "condition.baseline.disk_iops"),
        ("condition.baseline", "disk_iops", 200.5, "condition.baseline.disk_iops: Input should be a valid integer"),
        ("condition.baseline", "disk_iops", True, "condition.baseline.disk_iops"),
        ("condition.baseline", "pressure", "no", "condition.baseline.pressure: Input should be a valid boolean"),
        ("condition.baseline", "policy", "magic", "condition.baseline.policy: Input should be 'none', 'off',"),
        ("bars", "reference", "x", "bars: there is no condition 'x'; there are figure1"),
        ("bars", "judged_disk", "x", "bars: judged_disk: there is no disk 'x'; there are unthrottled, iops-5000"),
        ("bars", "precision", 95, "bars.precision"),
        ("bars.disk.iops-200", "excess_ratio", 0, "bars.disk.iops-200.excess_ratio"),
        ("guest", "memory_mib", 1024.5, "guest.memory_mib"),
        ("guest", "vcpus", True, "guest.vcpus"),
        ("guest", "kernel_arguments", "a\nb", "guest.kernel_arguments"),
        ("testbed", "accelerator", "xen", "'auto', 'kvm' or 'tcg'"),
        ("dataset", "source", "internet", "dataset.source"),
        ("dataset", "commit", "main", "dataset.commit"),
        ("dataset", "repository", "https://[::1", "dataset.repository: expected an address with a host"),
        ("dataset", "repository", "https://a..b/x", "dataset.repository: expected an address with a host"),
        ("roles", "systemd-resolved", "rdbms", "the kernel keeps 15 bytes of a name: 'systemd-resolve'"),
        ("service_a", "title", "x' OR 1=1", "service_a.title"),
        ("service_a", "title", "Nobody", "has no title 'Nobody'; it has"),
        ("alpha", "bytes", 5000, "bytes must not be larger than stride"),
        ("sampler", "interval_s", 0.001, "sampler.interval_s"),
        ("steps", "before_alpha_s", -1.0, "steps.before_alpha_s"),
        ("limits", "boot_s", 0, "limits.boot_s"),
    ],
)
def test_a_mistake_is_named_with_its_place(section: str, key: str, value: object, expected: str) -> None:
    changed = values()
    table = changed
    for part in section.split("."):
        table = table[part]
    table[key] = value
    with pytest.raises(UsageError) as caught:
        check(changed, "mine.toml")
    message = str(caught.value)
    assert "mine.toml" in message
    assert expected in message
    assert caught.value.exit_code == 2


def test_an_unknown_policy_and_a_path_outside_sys_are_refused() -> None:
    changed = values()
    changed["condition"]["baseline"]["policy"] = "magic"
    changed["condition"]["figure1"]["guest"] = {"/etc/passwd": "x"}
    with pytest.raises(UsageError) as caught:
        check(changed, "mine.toml")
    assert "condition.baseline.policy" in str(caught.value)
    assert "condition.figure1.guest./etc/passwd" in str(caught.value), "all mistakes are reported at once"


def test_broken_toml_and_a_missing_file_are_usage_errors(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[run\n")
    with pytest.raises(UsageError, match=r"broken\.toml"):
        load(broken)
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "absent.toml")


def test_the_command_lines_changes_win() -> None:
    configuration = load(CONFIGURATION, {"run": {"replicates": 7, "conditions": ["baseline"]}})
    assert configuration.replicates == 7
    assert configuration.conditions == ("baseline",)


def test_the_suite_gives_what_is_not_given_itself() -> None:
    suite = load(CONFIGURATION, {"run": {"suite": "prefetcher"}})
    assert suite.replicates == 8
    assert set(suite.conditions) >= {"unpressured", "baseline-200", "working-set-5000"}
    fewer = load(CONFIGURATION, {"run": {"suite": "prefetcher", "replicates": 2}})
    assert (fewer.conditions, fewer.replicates) == (suite.conditions, 2)


def test_a_run_from_before_suites_can_still_be_read() -> None:
    old = values()
    del old["suite"]
    with pytest.raises(UsageError, match="there is no suite 'default'"):
        check(old, "old.toml")
    old["run"] |= {"conditions": ["baseline", "working-set"], "replicates": 2}
    configuration = check(old, "old.toml")
    assert (configuration.conditions, configuration.replicates) == (("baseline", "working-set"), 2)


@pytest.mark.parametrize("policy", ["off", "siblings", "working-set", "same-process", "other-container", "container"])
def test_every_policy_of_the_prefetcher_can_be_a_conditions(policy: str) -> None:
    changed = values()
    changed["condition"]["baseline"]["policy"] = policy
    assert check(changed, "mine.toml").condition["baseline"].policy == policy


def test_conditions_are_pressed_and_unthrottled_unless_they_say_otherwise() -> None:
    conditions = load(CONFIGURATION).condition
    assert (conditions["baseline"].pressure, conditions["baseline"].disk_iops) == (True, 0)
    assert (conditions["unpressured"].pressure, conditions["unpressured"].policy) == (False, "off")
    assert {conditions[f"{name}-200"].disk_iops for name in ("baseline", "working-set")} == {200}
    assert {conditions[f"{name}-5000"].disk_iops for name in ("baseline", "working-set")} == {5000}
