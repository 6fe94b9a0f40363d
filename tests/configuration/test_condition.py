"""Conditions: what they change, and which cannot be."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from configuration.condition import LXC, Base, Condition
from configuration.load import load
from experiment.condition_setup import advances
from prefetch import install
from testbed.errors import Unsupported
from testbed.kernel_files import refuse_unsupported
from testbed.process import PROJECT
from workloads.services import SERVICES

SETTINGS = load(PROJECT / "experiments.toml")


def condition(**values: object) -> Condition:
    return Condition.model_validate({"answers": "a test", "topology": "lxc", "policy": "off", **values})


def test_a_base_has_a_name_of_its_own() -> None:
    assert LXC.name == "lxc"
    assert condition(disk_iops=200).base == LXC
    assert condition(service="service_c").base.name == "lxc-service_c"
    assert condition(httpd_processes=20).base.name == "lxc-20-processes"
    assert Base(topology="plain").name == "plain"


def test_every_service_can_be_deployed_and_has_settings() -> None:
    for name, service in SERVICES.items():
        section = getattr(SETTINGS, name)
        assert isinstance(section, service.settings)
        assert service.files(section, "Engineer")


def test_a_conditions_settings_take_the_place_of_the_sections() -> None:
    assert SETTINGS.for_condition("baseline").alpha == SETTINGS.alpha
    assert SETTINGS.for_condition("alpha-409").alpha.size_mib == 409
    assert SETTINGS.for_condition("idle-600").steps.before_request_s == 600
    assert SETTINGS.for_condition("processes-20").service_a.httpd_processes == 20
    assert SETTINGS.for_condition("idle-600").alpha == SETTINGS.alpha


def test_prefetchd_is_given_a_conditions_options_behind_those_of_all() -> None:
    found = condition(policy="working-set", prefetchd={"hold": "no", "share-percent": "25"})
    unit = install.unit({"a": "lxc.payload.a"}, SETTINGS.prefetcher, found.prefetchd).content.decode()
    (command,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    assert command.endswith(" --share-percent 100 --state /var/lib/prefetchd --hold no --share-percent 25")
    assert found.own_settings == ["prefetchd --hold no", "prefetchd --share-percent 25"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"policy": "off", "advance": {"action": "wake", "seconds": 2.0}}, "with policy 'off' there is nothing"),
        ({"topology": "plain", "peer": "damon"}, "need topology 'lxc'"),
        ({"topology": "plain", "policy": "oracle"}, "need topology 'lxc'"),
        ({"topology": "plain", "service": "service_c"}, "need topology 'lxc'"),
        ({"before_swapon": {"/etc/passwd": "0"}}, "should match pattern"),
        ({"guest": {"/sys/../etc/passwd": "0"}}, "without '..'"),
        ({"service": "service_c", "httpd_processes": 2}, "those of service_a alone"),
        ({"swap": "zram", "pressure": False}, "without pressure there is nothing in swap"),
        ({"groups": "programs", "policy": "working-set"}, "nothing is learnt that policy 'working-set' could use"),
        ({"swap": "tape"}, "'disk' or 'zram'"),
        ({"policy": "none", "prefetchd": {"hold": "no"}}, "with policy 'none' it does not run"),
        ({"prefetchd": {"hold": "no\nExecStartPost=/bin/sh"}}, "should match pattern"),
        ({"prefetchd": {"holds": "no"}}, "should match pattern '^(early|trust|"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        condition(**values)


def test_a_prefetch_is_compared_with_the_same_settings_without_it() -> None:
    for name, found in SETTINGS.condition.items():
        if found.policy == "working-set" and not found.advance:
            other = SETTINGS.condition[found.against]
            same = {key: getattr(other, key) for key in ("policy", "answers", "against", "prefetchd")}
            assert found.model_copy(update=same) == other, name


def test_every_suite_has_what_its_conditions_are_compared_with() -> None:
    for name, suite in SETTINGS.suite.items():
        missing = {SETTINGS.condition[c].against for c in suite.conditions} - set(suite.conditions)
        assert not missing, name


def test_what_a_kernel_lacks_is_said() -> None:
    refuse_unsupported("something else\n")
    with pytest.raises(Unsupported, match="the kernel has no zram"):
        refuse_unsupported("modprobe: nothing\nunsupported: the kernel has no zram\n")


def test_a_peer_that_is_not_done_is_not_ok() -> None:
    def stream(**events: list[dict[str, Any]]) -> Any:
        return SimpleNamespace(events=lambda name: events.get(name, []))

    begun = {"event": "begin", "action": "swap-cycle", "t": 1.0}
    assert advances(stream()) == []
    (record,) = advances(stream(begin=[begun]))
    assert (record.ok, record.t_end, record.detail) == (False, None, "not done by the end of the recording")
    (record,) = advances(stream(begin=[begun], done=[{"t": 2.5, "ok": True, "pages": 7, "detail": ""}]))
    assert (record.ok, record.t_begin, record.t_end, record.pages) == (True, 1.0, 2.5, 7)
