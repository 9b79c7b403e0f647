"""The evaluation of a trained job: on which rows, how many, and that it never costs the version."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers.worked_jobs import story
from layerwise import MLP, Architecture, Evaluation, InvalidInput, Layer, Plan, TableEncoder, evaluate, fit
from layerwise_service.domain.jobs import Job
from layerwise_service.errors import InvalidRequest
from layerwise_service.wiring import Stores
from layerwise_service.worker import evaluation
from layerwise_service.worker.evaluation import Rows, average_row, evaluation_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(np.int32)
AMOUNTS = X[:, :1] * 3


def trained(rows: Rows, *, loss: str = "softmax_cross_entropy", classes: int = 2, **plan: Any) -> tuple[MLP, Any]:
    """Return a trained network, and the rows held out."""
    model = MLP(Architecture(rows.inputs.shape[1], (Layer(classes if loss.startswith("soft") else 1),)))
    if loss.startswith("soft"):
        model.labels = tuple(f"class {i}" for i in range(classes))
    training = fit(
        model, rows.inputs, rows.targets, weights=rows.weights, plan=Plan(loss=loss, epochs=3, **plan), check=False
    )
    for _ in training:
        pass
    return model, training.held_out_rows


def found(model: MLP, rows: Rows, held_out: Any, check: Callable[[], None] = lambda: None) -> Evaluation:
    form = evaluation_of(model, rows, held_out, epochs=3, check=check)
    assert form is not None
    json.dumps(form, allow_nan=False)
    return Evaluation.from_json(form)


@pytest.mark.parametrize("split", ["random", "stratified", "temporal"])
def test_the_rows_held_out_are_evaluated(split: str) -> None:
    rows = Rows(X, CLASSES, None)
    model, held_out = trained(rows, validation=0.2, split=split)
    assert model.labels is not None

    told = found(model, rows, held_out)

    assert (told.measured_on, told.rows, told.sampled_from) == ("held_out", 80, None)
    assert told.accuracy == pytest.approx(model.metrics["validation_accuracy"])
    expected = evaluate(model, X[held_out], np.array(model.labels)[CLASSES[held_out]])
    assert told.confusion_matrix == expected.confusion_matrix
    assert told.importances is not None
    assert told.importances.columns[0].name == 0
    assert told.importances.score == told.accuracy


def test_the_training_rows_are_evaluated_if_none_are_held_out() -> None:
    rows = Rows(X, AMOUNTS, None)
    model, held_out = trained(rows, loss="squared_error", validation=0.0)

    told = found(model, rows, held_out)

    assert (told.measured_on, told.rows) == ("trained_on", 400)
    assert told.mean is not None
    assert told.mean.r2 == evaluate(model, X, AMOUNTS).mean.r2  # type: ignore[union-attr]
    assert "rows trained on (none were held out: other rows may be predicted worse)" in str(told)


def test_of_many_rows_some_are_chosen_at_random_by_the_seed_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_ROWS", 50)
    monkeypatch.setattr(evaluation, "MOST_SHUFFLED_ROWS", 20)
    rows = Rows(X, CLASSES, RNG.random(400, np.float32))
    (model, held_out), (other, others) = (trained(rows, validation=0.5, seed=seed) for seed in (0, 1))

    told, again, different = found(model, rows, held_out), found(model, rows, held_out), found(other, rows, others)

    assert (told.rows, told.sampled_from) == (50, 200)
    assert told.importances is not None
    assert told.importances.rows == 20
    assert told == again != different
    assert "50 rows of weight" in str(told)
    assert "held out, chosen at random from 200" in str(told)


def test_rows_of_many_inputs_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_NUMBERS", 90)
    rows = Rows(X, CLASSES, None)
    model, held_out = trained(rows, validation=0.5)

    assert found(model, rows, held_out).rows == 30


def test_of_many_classes_the_most_frequent_are_listed() -> None:
    targets = np.minimum(RNG.integers(0, 120, 400), 99).astype(np.int32)
    rows = Rows(X, targets, None)
    model, held_out = trained(rows, classes=100, validation=0.0)

    told = found(model, rows, held_out)

    assert told.classes is not None
    assert told.confusion_matrix is not None
    assert (len(told.classes), told.classes_left_out, len(told.confusion_matrix)) == (50, 50, 51)
    assert sum(sum(row) for row in told.confusion_matrix) == 400
    assert min(each.support for each in told.classes) >= np.sort(np.bincount(targets, minlength=100))[50]


def test_importances_are_of_columns_not_of_the_inputs_that_they_become() -> None:
    table = {"size": X[:, 0].tolist(), "pet": RNG.choice(["ant", "bee", "cat"], 400).tolist()}
    encoder = TableEncoder().fit(table)
    rows = Rows(encoder.encode(table), CLASSES, None)
    model, held_out = trained(rows, validation=0.2)
    model.encoder = encoder

    told = found(model, rows, held_out)

    assert told.importances is not None
    assert told.importances.columns[0].name == "size"
    assert {each.name for each in told.importances.columns} == {"size", "pet"}


def test_importances_are_left_out_where_they_would_cost_much_or_say_little(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(X, CLASSES, None)
    model, held_out = trained(rows, validation=0.2)

    with monkeypatch.context() as change:
        change.setattr(evaluation, "MOST_COLUMNS", 2)
        many_columns = found(model, rows, held_out)
    with monkeypatch.context() as change:
        change.setattr(evaluation, "LEAST_PRODUCTS", 1.0)
        too_costly = found(model, rows, held_out)

    assert many_columns.importances is too_costly.importances is None
    assert many_columns.accuracy == too_costly.accuracy


@pytest.mark.parametrize("error", [InvalidInput("X", "not finite"), MemoryError(), ValueError("NaN")])
def test_a_version_that_cannot_be_evaluated_is_published_without(
    submit: Callable[..., Job],
    stores: Stores,
    work: Callable[[Job], Job],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise error

    monkeypatch.setattr(evaluation, "evaluate_outputs", fail)

    ended = work(submit())

    assert (ended.state, ended.version) == ("SUCCEEDED", 1)
    assert stores.versions.find("xor", "1").evaluation is None


def test_figures_that_are_not_finite_are_not_stored() -> None:
    model, held_out = trained(Rows(X, AMOUNTS, None), loss="squared_error", validation=0.2)

    assert evaluation_of(model, Rows(X, AMOUNTS * 1e30, None), held_out, epochs=3, check=lambda: None) is None


def test_rows_without_weight_are_not_evaluated() -> None:
    rows = Rows(X, CLASSES, np.ones(400, np.float32))
    model, held_out = trained(rows, validation=0.2)
    assert rows.weights is not None
    rows.weights[held_out] = 0

    assert evaluation_of(model, rows, held_out, epochs=3, check=lambda: None) is None


def test_a_version_is_stored_with_its_evaluation(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job]
) -> None:
    ended = work(submit())

    stored = stores.versions.find("xor", "1")
    assert ended.version == 1
    assert stored.evaluation is not None
    told = Evaluation.from_json(stored.evaluation)
    assert (told.measured_on, told.rows) == ("trained_on", 4)
    assert told.accuracy == stored.metrics["accuracy"]
    assert [each.label for each in told.classes or ()] == ["no", "yes"]


def test_a_job_that_is_cancelled_while_its_weights_are_evaluated_is_not_published(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def without_end(*given: Any, check: Callable[[], None], **named: Any) -> None:
        stores.job_control.cancel(job.id)
        begun.append(job.id)
        while True:
            check()

    monkeypatch.setattr(evaluation, "measure_importances", without_end)
    job = submit()

    ended = work(job)

    assert begun == [job.id]
    assert story(ended)[-1] == ("CANCELLED", "CANCEL_REQUESTED")
    assert ended.version is None


def test_an_evaluation_ends_as_soon_as_the_job_is_to_be_left() -> None:
    rows = Rows(X, CLASSES, None)
    model, held_out = trained(rows, validation=0.2)

    def leave() -> None:
        raise InvalidRequest("left")

    with pytest.raises(InvalidRequest, match="left"):
        evaluation_of(model, rows, held_out, epochs=3, check=leave)


def test_the_average_row_is_the_mean_of_rows_all_over_the_training() -> None:
    sorted_rows = np.arange(100_000, dtype=np.float32)[:, None] * [1, -2]

    average = average_row(sorted_rows)

    assert average == pytest.approx((49_999.5, -99_999), rel=1e-3)
    assert average_row(X) == pytest.approx(X.mean(axis=0), rel=1e-5)
    assert average_row(np.zeros((2, 5_000))) is None


def test_a_version_keeps_the_average_row_of_its_training(
    submit: Callable[..., Job], stores: Stores, work: Callable[[Job], Job]
) -> None:
    work(submit())

    network = stores.artifacts.load_model(stores.versions.find("xor", "1").sha256)

    assert network.average_row == (0.5, 0.5)
