"""Where the rows of the `employees` database come from: a checkout, a download, or our own generator.

``resolve`` chooses a source, ``Dataset.write`` writes what MariaDB loads, ``verify`` checks what it loaded.
"""

from workloads.service_a.dataset.facts import EXPECTED_MD5, EXPECTED_ROWS, EXPECTED_TITLES
from workloads.service_a.dataset.settings import DatasetSettings
from workloads.service_a.dataset.source import Dataset, resolve
from workloads.service_a.dataset.verification import verify

__all__ = [
    "EXPECTED_MD5",
    "EXPECTED_ROWS",
    "EXPECTED_TITLES",
    "Dataset",
    "DatasetSettings",
    "resolve",
    "verify",
]
