"""docs/formulas.md names everything that has a formula, and leads to the file that holds it."""

import re
from pathlib import Path

import pytest

from layerwise.activations import ACTIVATIONS
from layerwise.initializers import INITIALIZERS
from layerwise.losses import LOSSES
from layerwise.network.normalization import TRAINING
from layerwise.optimizers import OPTIMIZERS
from layerwise.optimizers.schedules import SCHEDULES

PAGE = Path(__file__).parents[2] / "docs" / "formulas.md"
LINKS = re.findall(r"\[`(\w+)`\]\(([^)]+\.py)\)", PAGE.read_text())


@pytest.mark.parametrize("table", [ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES, INITIALIZERS, TRAINING])
def test_every_kind_stands_there_beside_its_class(table):
    text = PAGE.read_text()

    assert table
    for kind, cls in table.items():
        lines = [line for line in text.splitlines() if f"`{kind}`" in line and f"[`{cls.__name__}`]" in line]
        assert lines, f"{kind}, {cls.__name__}"


def test_every_link_leads_to_the_file_that_holds_the_name():
    assert len(LINKS) > 50
    for name, target in LINKS:
        code = (PAGE.parent / target).read_text()
        assert re.search(rf"^(class|def) {name}\b", code, re.MULTILINE), f"{name} in {target}"


def test_no_cell_is_torn_by_a_bar():
    for section in PAGE.read_text().split("\n\n"):
        if section.startswith("|"):
            bars = {len(re.findall(r"(?<!\\)\|", line)) for line in section.splitlines()}
            assert len(bars) == 1, section
