"""The service completes a plan within its own limits."""

from __future__ import annotations

from pathlib import Path

from layerwise import Architecture, Layer, Plan
from layerwise_service.domain.specs import complete_plan
from layerwise_service.settings import Settings


def test_what_is_chosen_stays_within_the_limits_of_the_service(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, max_epochs=5, max_batch_values=10_000)
    wide = Architecture(500, (Layer(200, "relu"), Layer(3)))

    plan = complete_plan(Plan(), wide, 100_000, settings)

    assert plan.epochs == 5
    assert plan.batch_size == 10_000 // (500 + 200 + 3 + 2 * (200 + 3))
    given = Plan(epochs=4, batch_size=3, standardize_targets=False)
    assert complete_plan(given, wide, 100, settings) == given.completed(rows=100)


def test_targets_are_standardized_only_where_that_has_an_effect(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    network = Architecture(2, (Layer(1),))

    classifier = complete_plan(Plan(loss="sigmoid_cross_entropy"), network, 100, settings)
    regression = complete_plan(Plan(loss="squared_error"), network, 100, settings)

    assert (classifier.standardize_targets, regression.standardize_targets) == (False, True)
