"""docs/training.md has the scores of the last run of benchmarks/defaults.py, and these say what the document says."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOUND = json.loads((ROOT / "benchmarks" / "defaults.json").read_text())
PEERS = ("scikit-learn", "scikit-learn, 1,000 epochs")


def differences(peer: str) -> list[float]:
    medians = [{name: statistics.median(values) for name, values in each["scores"].items()} for each in FOUND["tables"]]
    return [each["layerwise"] - each[peer] for each in medians]


def test_the_document_has_the_scores_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.defaults import BEGIN, END, written

    text = (ROOT / "docs" / "training.md").read_text()

    assert text.partition(BEGIN)[2].partition(END)[0] == written(FOUND)
    sys.modules.pop("benchmarks.defaults")


def test_fifteen_tables_or_more_were_measured_some_of_them_unseen_by_the_rules() -> None:
    tables = FOUND["tables"]

    assert len({each["name"] for each in tables}) >= 15
    assert {each["classes"] > 0 for each in tables} == {True, False}
    assert sum(each["unseen"] for each in tables) >= 5


@pytest.mark.parametrize("peer", PEERS)
def test_the_defaults_are_no_worse_in_the_median(peer: str) -> None:
    assert statistics.median(differences(peer)) >= 0
