"""docs/tables.md has the scores of the last run of benchmarks/quality.py, and these say what the document says."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOUND = json.loads((ROOT / "benchmarks" / "quality.json").read_text())
OURS, PEER = "Layerwise", "scikit-learn's MLP"


def differences() -> dict[str, float]:
    medians = {
        each["name"]: {name: statistics.median(values) for name, values in each["scores"].items()}
        for each in FOUND["tables"]
    }
    return {name: each[OURS] - each[PEER] for name, each in medians.items()}


def test_the_document_has_the_scores_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.quality import BEGIN, END, written

    text = (ROOT / "docs" / "tables.md").read_text()

    assert text.partition(BEGIN)[2].partition(END)[0] == written(FOUND)


def test_fifteen_files_or_more_were_measured_some_of_them_unseen_by_the_defaults() -> None:
    tables = FOUND["tables"]

    assert len({each["name"] for each in tables}) >= 15
    assert {each["classes"] for each in tables} == {True, False}
    assert len({each["source"].split()[0] for each in tables}) >= 4
    assert sum(each["unseen"] for each in tables) >= 10


def test_files_as_they_come_are_learnt_no_worse_in_the_median() -> None:
    assert statistics.median(differences().values()) >= 0
    assert [name for name, value in differences().items() if value < -0.03] == []
