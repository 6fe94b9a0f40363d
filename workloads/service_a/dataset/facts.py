"""What is known of the public employees database (github.com/datacharmer/test_db), in one place.

Rows and MD5 are what its own test_employees_md5.sql expects; titles are counts over its titles table.
"""

from types import MappingProxyType

EXPECTED_ROWS = MappingProxyType(
    {
        "departments": 9,
        "employees": 300_024,
        "dept_emp": 331_603,
        "dept_manager": 24,
        "titles": 443_308,
        "salaries": 2_844_047,
    }
)
"""Rows of each table, in an order that foreign keys allow."""

EXPECTED_TITLES = MappingProxyType(
    {
        "Assistant Engineer": 15_128,
        "Engineer": 115_003,
        "Manager": 24,
        "Senior Engineer": 97_750,
        "Senior Staff": 92_853,
        "Staff": 107_391,
        "Technique Leader": 15_159,
    }
)
"""Rows of each title, in the order of the primary key."""

EXPECTED_MD5 = MappingProxyType(
    {
        "departments": "d1af5e170d2d1591d776d5638d71fc5f",
        "employees": "4ec56ab5ba37218d187cf6ab09ce1aa1",
        "dept_emp": "ccf6fe516f990bdaa49713fc478701b7",
        "dept_manager": "8720e2f0853ac9096b689c14664f847e",
        "titles": "bfa016c472df68e70a03facafa1bc0a8",
        "salaries": "fd220654e95aea1b169624ffe3fca934",
    }
)
"""Last link of each table's MD5 chain (see CHECKSUM_COLUMNS)."""

CHECKSUM_COLUMNS = MappingProxyType(
    {
        "departments": ("dept_no, dept_name", "dept_no"),
        "employees": ("emp_no, birth_date, first_name, last_name, gender, hire_date", "emp_no"),
        "dept_emp": ("dept_no, emp_no, from_date, to_date", "dept_no, emp_no"),
        "dept_manager": ("dept_no, emp_no, from_date, to_date", "dept_no, emp_no"),
        "titles": ("emp_no, title, from_date, to_date", "emp_no, title, from_date"),
        "salaries": ("emp_no, salary, from_date, to_date", "emp_no, from_date, to_date"),
    }
)
"""Columns in each link of a table's chain, MD5(previous # column # ...), and the order of its rows."""

PUBLISHED_COMMIT = "3c7fa05e04b4c339d91a43b7029a210212d48e6c"
"""The repository's newest commit when this was written (2023-08-26)."""

PUBLISHED_BLOBS = MappingProxyType(
    {
        "load_departments.dump": "56a3bade7fd7602ca48e6575b2b30f8507143fe9",
        "load_dept_emp.dump": "02e2529f87a9bf4dee7333f222da8ee93e4125a8",
        "load_dept_manager.dump": "20436b963017a8957e993f4aac1560be6df5efaf",
        "load_employees.dump": "39824c5ded3f1304faec66eab1af476a5c364870",
        "load_salaries1.dump": "47d1ad6e1b4d29d379e28c8d2fb556d71270684a",
        "load_salaries2.dump": "2d79c081672f7fae8535126cb48b72c6a696246c",
        "load_salaries3.dump": "e1291465820a4826c45a427565dfdeb27ca82ebd",
        "load_titles.dump": "cc8291781dafeaeb3ae313cac776da289c1bc05f",
    }
)
"""Git's object names of the files with the rows at PUBLISHED_COMMIT, which tell damaged files apart."""
