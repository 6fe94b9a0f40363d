"""Settings of Dask's that it cannot read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.errors import HostError
from testbed.process import PROJECT


@pytest.mark.whole
@pytest.mark.parametrize("text", ["just a string\n", "a: [\n", "distributed: 3\n\t- x\n"])
def test_they_are_answered_in_a_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "dask.yaml").write_text(text)
    words = [sys.executable, str(PROJECT / "run.py"), "worker", "tcp://127.0.0.1:9", "--let-anyone-in"]
    environment = {**os.environ, "DASK_CONFIG": str(tmp_path / "dask.yaml")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == HostError.exit_code
    first, second = done.stderr.splitlines()
    assert first.startswith("run.py: Dask cannot read its own settings: ")
    assert second == "  way out: mend that file, or unset DASK_CONFIG"
