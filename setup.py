"""What pyproject.toml cannot say of packaging.

The C programs are built first, static, and shipped; experiments.toml lies beside the package that reads it.
"""

import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

PARTS = ("workloads/alpha", "measure", "prefetch", "peers")


class BuildPrograms(build_py):
    def run(self) -> None:
        for part in PARTS:
            subprocess.run(["make", "-C", part, "all"], check=True)
        super().run()
        shutil.copyfile("experiments.toml", Path(self.build_lib) / "configuration" / "experiments.toml")


class WithPrograms(Distribution):
    def has_ext_modules(self) -> bool:
        """Of one architecture."""
        return True


setup(cmdclass={"build_py": BuildPrograms}, distclass=WithPrograms)
