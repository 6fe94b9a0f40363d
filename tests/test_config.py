"""experiments.toml is checked whole, and every mistake is one clear line with its place."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from experiment.config import check, load
from testbed.errors import UsageError

PROJECT = Path(__file__).parent.parent
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
    assert set(configuration.run.conditions) == {"figure1", "baseline", "siblings", "working-set"}


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("run", "replicates", 0, "run.replicates"),
        ("run", "replicates", -3, "(given: -3)"),
        ("run", "replicates", "three", "valid integer"),
        ("run", "replicats", 3, "run.replicats: Extra inputs are not permitted"),
        ("run", "conditions", ["baseline", "nonsense"], "no condition 'nonsense'; there are baseline"),
        ("run", "conditions", ["baseline", "baseline"], "named twice"),
        ("run", "conditions", [], "run.conditions"),
        ("guest", "memory_mib", 1024.5, "guest.memory_mib"),
        ("guest", "vcpus", True, "guest.vcpus"),
        ("guest", "kernel_arguments", "a\nb", "guest.kernel_arguments"),
        ("testbed", "accelerator", "xen", "'auto', 'kvm' or 'tcg'"),
        ("dataset", "source", "internet", "dataset.source"),
        ("dataset", "commit", "main", "dataset.commit"),
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
    changed[section][key] = value
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
    assert configuration.run.replicates == 7
    assert configuration.run.conditions == ("baseline",)
