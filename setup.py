"""The part of packaging that pyproject.toml cannot say: the C programs are built first, static, and shipped."""

import subprocess

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

PARTS = ("workloads/alpha", "measure", "prefetch", "peers")


class BuildPrograms(build_py):
    def run(self) -> None:
        for part in PARTS:
            subprocess.run(["make", "-C", part, "all"], check=True)
        super().run()


class WithPrograms(Distribution):
    def has_ext_modules(self) -> bool:
        """Of one architecture."""
        return True


setup(cmdclass={"build_py": BuildPrograms}, distclass=WithPrograms)
