"""The page of findings: computed from the run, each sentence with its place, and silent about what was not measured."""

import json
from pathlib import Path

import pytest
from fake_run import Shape, write_run, write_suites

from analysis.study import study
from analysis.words.findings import findings
from analysis.words.markdown import code, escaped
from configuration.load import load
from testbed.process import PROJECT

CONFIGURATION = load(PROJECT / "experiments.toml")
BARS = CONFIGURATION.bars.model_copy(update={"resamples": 199})
SHAPES = {
    "baseline": Shape(1500), "baseline-again": Shape(1500), "placebo": Shape(1500), "working-set": Shape(5, 8000, 0.8),
    "siblings": Shape(600, 46000, 1.2), "same-process": Shape(1400, 20000), "container": Shape(500, 50000),
    "other-container": Shape(1500, 8000), "oracle": Shape(5, 7000, 0.8), "clairvoyant": Shape(4, 8000, 0.5),
}  # fmt: skip


def page(
    folder: Path, conditions: list[str], blocks: int = 6, until: int | None = None, siblings: Shape = SHAPES["siblings"]
) -> str:
    write_run(folder, conditions, blocks, until=until, shapes={**SHAPES, "siblings": siblings})
    write_suites(folder, {"controls": conditions})
    return findings(study(folder, BARS), "mine")


def test_all_of_it_with_numbers_and_where_they_stand(tmp_path: Path) -> None:
    text = page(tmp_path, [*SHAPES, "figure1"])
    assert text.startswith("# Findings: what holds of the paper's proposal, what does not, and why\n")
    assert "- made by `python run.py --suite controls --replicates 1`" in text
    assert "- TCG: the guest's processors are emulated" in text
    assert "- 6 replicates of 11 conditions; of 66 cells 66 count" in text
    for heading in ("## What it was measured on", "### What holds", "### Why", "## What we put in its place",
                    "### Suite controls: Is controls answered?"):  # fmt: skip
        assert f"\n{heading}\n" in text
    sentences = [line for line in text.splitlines() if line.startswith("- ") and "report mine`" in line]
    assert len(sentences) > 20
    assert all("(`python run.py report mine`; `tables/" in line and line.endswith("`)") for line in sentences)
    words = [line.partition("(`")[0] for line in sentences]
    assert [text for text in words if not any(character.isdigit() for character in text)] == [], "each has its number"
    assert "Had it been known when the request comes (clairvoyant): time to response" in text
    assert "instead of" in text
    assert text == findings(study(tmp_path, BARS), "mine"), "the same run gives the same page"


def test_the_same_claim_stands_where_its_numbers_put_it(tmp_path: Path) -> None:
    claim = "Prefetching the siblings' pages on the first page-in takes away a large part"
    holds = page(tmp_path / "a", ["baseline", "siblings"])
    assert holds.index("### What holds") < holds.index(claim) < holds.index("### Why")
    fails = page(tmp_path / "b", ["baseline", "siblings"], siblings=Shape(2000, 46000, 1.2))
    assert fails.index("### What does not hold") < fails.index(claim)


def test_what_the_run_lacks_is_not_told(tmp_path: Path) -> None:
    text = page(tmp_path, ["baseline", "siblings"])
    assert "working-set has" not in text
    assert "Suite controls" in text
    assert "placebo" not in text
    assert "Nothing can be told, for want of valid cells of figure1, of: Before the request the major" in text
    assert "Nothing can be told, for want of valid cells of baseline and working-set, of: Prefetching the" in text


def test_few_replicates_conclude_nothing(tmp_path: Path) -> None:
    text = page(tmp_path, [*SHAPES, "figure1"], 2)
    assert "clearly" not in text.partition("## What it was measured on")[2]
    assert "### What holds\n" not in text
    assert "### What cannot be told" in text
    assert "Too few replicates that count, fewer than 5" in text


def test_a_run_that_has_not_begun_has_a_page(tmp_path: Path) -> None:
    text = page(tmp_path, ["baseline", "siblings"], 1, until=0)
    assert "of 2 cells 0 count" in text
    assert "No cell of this suite counts yet: nothing can be told." in text


def test_conditions_of_ones_own_and_the_commit(tmp_path: Path) -> None:
    write_run(tmp_path, ["baseline", "siblings"], 2)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest |= {
        "suite": {"names": [], "conditions": ["x"], "replicates": 2},
        "git": {"commit": "a" * 40, "changed": True},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    text = findings(study(tmp_path, BARS), "it's one")
    assert "`python run.py --conditions baseline,siblings --replicates 2` at commit `aaaaaaaaaaaa`, with" in text
    assert "### The conditions that were run" in text
    assert "`python run.py report 'it'\"'\"'s one'`" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b *c* <d> `e` |f| \\g", "a\\_b \\*c\\* \\<d\\> \\`e\\` \\|f\\| \\\\g"),
        ("[link](x) but [0.1, 0.2]", "[link\\](x) but [0.1, 0.2]"),
        ("one\n# two\x1b[31m", "one # two\N{REPLACEMENT CHARACTER}[31m"),
    ],
)
def test_words_of_others_become_no_markup(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_code_holds_no_end_of_code() -> None:
    assert code("a`b\nc") == "`a'b c`"
