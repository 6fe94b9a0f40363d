"""A libvirt URI may come with a configuration that somebody sent: none that makes libvirt run a program is taken."""

import pytest

from configuration.load import load
from testbed.connection import local_uri
from testbed.errors import UsageError
from testbed.process import PROJECT

CONFIGURATION = PROJECT / "experiments.toml"


@pytest.mark.parametrize(
    "uri",
    ["embed", "qemu:///system", "qemu:///session", "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
     "qemu+tls://localhost/system", "qemu+tcp://127.0.0.1:16509/system", "qemu+tls://[::1]/system",
     "qemu:///embed?root=/tmp/x"],
)  # fmt: skip
def test_one_of_this_host_is_taken(uri: str) -> None:
    assert local_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    ["qemu+ext:///system?command=/tmp/x", "QEMU+EXT:///system?command=/tmp/x", "qemu+ssh://root@localhost/system",
     "qemu+libssh2://localhost/system", "qemu+libssh:///system", "qemu:///system?command=/tmp/x",
     "qemu:///system?socket=/a&command=/tmp/x", "qemu:///system?socket=/a;command=/tmp/x",
     "qemu:///system?%63ommand=/tmp/x", "qemu:///system?netcat=/tmp/x", "qemu+unix:///system?proxy=netcat",
     "qemu+tls://example.org/system", "qemu+tcp://10.0.0.1/system", "qemu://[::1", "", "system", "//system", "alias",
     "qemu+e\txt:///system?command=/tmp/x", "\nqemu:///system", "esx://127.0.0.2/"],
)  # fmt: skip
def test_one_that_runs_programs_or_leads_elsewhere_is_not(uri: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        local_uri(uri)
    with pytest.raises(UsageError, match=r"testbed\.libvirt_uri"):
        load(CONFIGURATION, {"testbed": {"libvirt_uri": uri}})
