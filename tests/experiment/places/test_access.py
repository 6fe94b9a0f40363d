"""Which addresses of a scheduler are taken, with which options, and the command that makes the certificate. No Dask."""

import os
import ssl
import stat
from pathlib import Path

import pytest
from words import in_folders

import run
from experiment.commandline import read
from experiment.places import certificate
from experiment.places.access import Access
from testbed.errors import UsageError


@pytest.mark.parametrize(
    "address",
    ["", "garbage", "127.0.0.1:8786", "tls://", "tls://a", "tls://a:", "tls://a:0", "tls://a:65536", "tls://a:b", "tls://:1",
     "tls://::1:8786", "tls://[::1]", "tls://[a]:1", "tls://[::1:1", "tls://u@a:1", "tls://a:1/b", "tls://a b:1", "tls://a:1\n",
     f"tls://{'a' * 64}:1", "tls://a..b:1", "TLS://a:1", "tls://\N{ARABIC-INDIC DIGIT ONE}:1", "inproc://1.2.3.4/5/6"],
)  # fmt: skip
def test_what_is_no_address_is_refused_whatever_is_let_in(address: str) -> None:
    for let_anyone_in in (False, True):
        with pytest.raises(UsageError, match="is no address: expected tls://HOST:PORT"):
            Access(address, let_anyone_in=let_anyone_in)


@pytest.mark.parametrize(
    "place", ["node1:8786", "10.0.0.1:1", "a-b.c_d.example:65535", "[::1]:8786", "[fe80::1%eth0]:1"]
)
def test_an_address_without_tls_needs_the_option(place: str) -> None:
    assert Access(f"tls://{place}").encrypted
    assert not Access(f"tcp://{place}", let_anyone_in=True).encrypted
    for scheme in ("tcp", "ws", "wss", "ucx"):
        with pytest.raises(UsageError, match="any user of these hosts included, can run programs as you") as refused:
            Access(f"{scheme}://{place}")
        for way_out in ("run.py certificate FOLDER", "--tls FOLDER", "--let-anyone-in"):
            assert way_out in (refused.value.hint or "")
        with pytest.raises(UsageError, match="without TLS, and --tls wants it"):
            Access(f"{scheme}://{place}", Path("tls"), let_anyone_in=True)


@pytest.mark.parametrize("scheme", ["ws", "wss", "ucx"])
def test_the_option_is_for_plain_tcp(scheme: str) -> None:
    with pytest.raises(UsageError, match="expected tls:// or tcp://"):
        Access(f"{scheme}://a:1", let_anyone_in=True)


@pytest.mark.parametrize("before", [[], ["--scheduler", "{}"], ["worker", "{}"], ["scheduler", "{}"]])
def test_a_mistake_is_one_line_before_anything_is_built(
    before: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"results": tmp_path / "results", "cache": tmp_path / "cache"}
    mistakes = [["tcp://127.0.0.1:9"], ["garbage"], ["tcp://127.0.0.1:9", "--tls", str(tmp_path)]] if before else [
        ["--tls", str(tmp_path)], ["--let-anyone-in"]
    ]  # fmt: skip
    for mistake in mistakes:
        words = [*(word.format(mistake[0]) for word in before), *mistake[bool(before) :]]
        assert run.main(in_folders(words, **places)) == UsageError.exit_code
        said = capsys.readouterr()
        message, way_out, *more = said.err.splitlines()
        assert message.startswith("run.py: ")
        assert way_out.startswith("  way out: ")
        assert (said.out, more) == ("", [])
    assert list(tmp_path.iterdir()) == []


def test_the_options_may_stand_ahead_of_the_command() -> None:
    given = read(["--tls", "a", "--let-anyone-in", "worker", "tls://a:1"])
    assert (given.tls, given.let_anyone_in) == (Path("a"), True)
    given = read(["worker", "tls://a:1"])
    assert (given.tls, given.let_anyone_in) == (None, False)


def test_a_certificate_is_made_for_its_user_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my tls"
    before = os.umask(0)
    try:
        assert run.main(["certificate", str(folder), "--days", "3"]) == 0
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"my tls": 0o700, "key.pem": 0o600, "cert.pem": 0o644}
    copy, scheduler, rest = capsys.readouterr().out.splitlines()
    assert f"scp -pr '{folder}' HOST:" in copy
    assert f"run.py scheduler --tls '{folder}' tls://HOST:8786" in scheduler
    assert f"run.py worker --tls '{folder}' tls://HOST:8786" in rest
    assert f"run.py --tls '{folder}' --scheduler tls://HOST:8786" in rest
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    (own,) = context.get_ca_certs()
    assert own["subject"] == own["issuer"], "its own authority"
    certificate.require(folder)
