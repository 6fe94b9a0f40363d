"""What is said of the project as a whole is true of this version: claims, citation, licence, changelog."""

import csv
import re
import tomllib
from typing import Any

from ruamel.yaml import YAML

from analysis.judgements.paper import paper
from testbed.process import PROJECT

CLAIMS = PROJECT / "results" / "reference" / "tables" / "claims.csv"


def test_the_artifacts_claims_are_the_papers_with_their_limits_and_verdicts() -> None:
    lines = (PROJECT / "ARTIFACT.md").read_text().splitlines()
    rows = {cells[1].strip("` "): cells for line in lines if len(cells := line.split("|")) == 7}
    with CLAIMS.open() as file:
        verdicts = {row["claim"]: row["claim_verdict"] for row in csv.DictReader(file)}
    for claim in paper().claim:
        _, _, _, limits, _, verdict, _ = rows[claim.id]
        bounds = {bound for test in claim.tests for bound in (test.at_least, test.at_most) if bound is not None}
        assert {float(number) for number in re.findall(r"\d+(?:\.\d+)?", limits)} == bounds, claim.id
        assert verdict.strip() == verdicts[claim.id], claim.id


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    citation: dict[str, Any] = YAML(typ="safe", pure=True).load(PROJECT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    (cited,) = citation["references"]
    authors = [f"{author['given-names']} {author['family-names']}" for author in cited["authors"]]
    assert (cited["title"], " and ".join(authors)) == (paper().title, paper().authors)
    place = "{journal} {volume} ({issue}), pages {start}-{end}, {date-published}"
    assert place.format_map(cited) == paper().source
    licence = (PROJECT / "LICENSE").read_text()
    assert licence.startswith(f"{citation['license']} License\n")
    (holder,) = citation["authors"]
    assert f" {holder['name']}\n" in licence


def test_the_changelog_begins_with_this_version() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    versions = re.findall(r"(?m)^## \[(\d[^\]]*)\]", (PROJECT / "CHANGELOG.md").read_text())
    assert versions[0] == project["version"]
