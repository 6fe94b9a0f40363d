"""The recipes of docs/extending.md on a copy of the tree: the document's own code, where it says. No guest."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import blocks

from testbed.process import PROJECT

pytestmark = pytest.mark.whole

DOCUMENT = (PROJECT / "docs" / "extending.md").read_text()
KEPT = (
    "analysis",
    "configuration",
    "experiment",
    "guest_c",
    "measure",
    "peers",
    "prefetch",
    "testbed",
    "tests",
    "workloads",
    "run.py",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (*KEPT, "experiments.toml", "pyproject.toml"):
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def block(language: str, has: str) -> str:
    """The document's one block in a language that has these words."""
    (found,) = blocks(DOCUMENT, language, has=(has,))
    return found


def told(code: str) -> str:
    """Code that the document has in a line; that it has it."""
    assert f"`{code}`" in DOCUMENT
    return code


def put(path: Path, before: str, code: str) -> None:
    """``code`` ahead of the last place where ``before`` stands."""
    text = path.read_text()
    at = text.rindex(before)
    path.write_text(text[:at] + code + text[at:])


def add(path: Path, code: str) -> None:
    path.write_text(path.read_text() + "\n" + code)


def answer(tree: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    return done.stdout


def planned(tree: Path, conditions: str) -> str:
    words = ("run.py", "--dry-run", "--conditions", conditions, "--replicates", "1")
    assert f"python run.py --conditions {conditions} --replicates 1" in DOCUMENT
    return answer(tree, sys.executable, *words)


def test_a_new_condition(tree: Path) -> None:
    add(tree / "experiments.toml", block("toml", "swappiness-10"))
    assert "01-swappiness-10  topology lxc, policy off, /proc/sys/vm/swappiness = 10" in planned(
        tree, "swappiness-10,baseline"
    )


def test_a_new_service(tree: Path) -> None:
    service = tree / "workloads" / "service_d"
    (service / "files").mkdir(parents=True)
    (service / "__init__.py").touch()
    (service / "files" / "query.cgi").write_text(block("sh", "exec /usr/bin/mariadb"))
    (service / "deploy.py").write_text(block("python", "Service D"))
    put(tree / "workloads" / "services.py", '    "service_c",', "    " + told('"service_d",') + "\n")
    toml = tree / "experiments.toml"
    put(toml, 'mariadbd = "rdbms"', told('mariadb = "query.cgi"') + "\n")
    conditions = re.findall(
        r"^\[condition\.service-c(?:-working-set)?\]\n.*?\n(?=\n|\Z)", toml.read_text(), re.M | re.S
    )
    assert len(conditions) == 2
    size, processes = told('buffer_pool = "655M"'), told("httpd_processes = 5")
    add(toml, f"[service_d]\n{size}\n{processes}\n")
    for one in conditions:
        add(toml, one.replace("service-c", "service-d").replace("service_c", "service_d"))
    assert "service_d" in planned(tree, "service-d,service-d-working-set")
    answer(tree, sys.executable, "-m", "pytest", "-q", "tests/configuration/test_condition.py", "-k", "every_service")


def test_a_new_policy(tree: Path) -> None:
    prefetch = tree / "prefetch"
    put(prefetch / "model" / "options.h", "\tPOLICIES", f"\t{told('POLICY_FEW_SIBLINGS,')}\n")
    put(
        prefetch / "model" / "options.c",
        '\t[POLICY_ORACLE] = "oracle"',
        "\t" + told('[POLICY_FEW_SIBLINGS] = "few-siblings",') + "\n",
    )
    activation = prefetch / "container" / "activation.c"
    put(activation, "\tcase POLICY_SIBLINGS:\n", f"\t{told('case POLICY_FEW_SIBLINGS:')}\n")
    leaves_out = "g->policy == POLICY_SIBLINGS ? faulting"
    assert activation.read_text().count(leaves_out) == 1
    both = "g->policy == POLICY_SIBLINGS || g->policy == POLICY_FEW_SIBLINGS ? faulting"
    activation.write_text(activation.read_text().replace(leaves_out, both))
    cut = told("if (g->policy == POLICY_FEW_SIBLINGS) plan_cut(&g->plan, g->learned.npages);")
    put(activation, "\tissue_reserve(&g->issue, &g->plan);\n", f"\t{cut}\n")
    add(prefetch / "policy" / "plan.c", block("c", "plan_cut"))
    put(prefetch / "policy" / "plan.h", "#endif", "void plan_cut(struct plan *p, uint64_t most);\n\n")
    checks = f"\t{told('plan_cut(&p, 512);')}\n\t{told('CHECK(p.pages == 512 && p.n == 2);')}\n"
    put(prefetch / "tests" / "test_plan.c", "\tplan_free(&p);", checks)
    condition = tree / "configuration" / "condition.py"
    put(condition, '"container", "oracle"]', told('"few-siblings"') + ", ")
    toml = tree / "experiments.toml"
    (siblings,) = re.findall(r"^\[condition\.siblings\]\n.*?\n(?=\n|\Z)", toml.read_text(), re.M | re.S)
    policy = siblings.replace("[condition.siblings]", "[condition.few-siblings]")
    add(toml, policy.replace('policy = "siblings"', 'policy = "few-siblings"'))
    answer(tree, "make", "-s", "-j2", "-C", "prefetch", "all", "build/tests/test_plan", "build/tests/test_options")
    for name in ("test_plan", "test_options"):
        answer(prefetch, f"build/tests/{name}")
    assert "policy few-siblings" in planned(tree, "few-siblings,baseline")
