"""What a plan leaves open is chosen from the rows, the same for the same rows; what it says stays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.datasets import load_iris, load_wine
from sklearn.model_selection import train_test_split

from layerwise import (
    LBFGS,
    MLP,
    SGD,
    Adam,
    Architecture,
    EarlyStopping,
    InvalidInput,
    Layer,
    NAdam,
    Plan,
    ReduceOnPlateau,
    TableEncoder,
    fit,
    fit_packed,
    partial_fit,
)
from layerwise.sklearn import MLPClassifier

OPEN = ("batch_size", "epochs", "validation", "l2")


def rows(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, 4)).astype(np.float32)
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def network(seed: int = 0) -> MLP:
    return MLP(Architecture(4, (Layer(8, "relu"), Layer(2))), seed=seed)


@given(st.integers(1, 10**9), st.integers(0, 10**6))
def test_a_completed_plan_leaves_nothing_open_and_completes_to_itself(count: int, held_out: int) -> None:
    plan = Plan().completed(rows=count, held_out=held_out)

    assert plan == Plan().completed(rows=count, held_out=held_out)
    assert None not in [getattr(plan, name) for name in OPEN]
    assert plan.optimizer.learning_rate is not None
    assert plan.completed(rows=7) == plan


# by hand: 64 rows a batch up to 5,792 = 64 · 64 · √2, and 1.5 times as many steps as rows,
# at least 900, or 450 epochs; from 5,000 rows a tenth held out, 20,000 steps at most and a patience of 600 steps
@pytest.mark.parametrize(
    ("count", "batch", "epochs", "held_out", "patience"),
    [
        (24, 64, 450, 0.0, None),
        (150, 64, 300, 0.0, None),
        (500, 64, 112, 0.0, None),
        (999, 64, 94, 0.0, None),
        (4_999, 64, 95, 0.0, None),
        (5_000, 64, 282, 0.1, 9),
        (10_000, 128, 282, 0.1, 9),
        (300_000, 256, 20, 0.1, 5),
    ],
)
def test_the_rows_decide(count: int, batch: int, epochs: int, held_out: float, patience: int | None) -> None:
    plan = Plan().completed(rows=count)

    stopping = None if patience is None else EarlyStopping(patience=patience)
    assert (plan.batch_size, plan.epochs, plan.validation) == (batch, epochs, held_out)
    assert plan.early_stopping == stopping


@pytest.mark.parametrize("count", [1, 30, 2_000, 300_000])
@pytest.mark.parametrize(
    "said",
    [
        {"epochs": 20},
        {"batch_size": 5},
        {"validation": 0.0},
        {"l2": 0.0},
        {"l2": 0.5},
        {"validation": 0.5},
        {"optimizer": Adam(0.5)},
        {"optimizer": SGD(0.01, momentum=0.9)},
        {"early_stopping": EarlyStopping("loss", patience=2)},
        {"max_steps": 7},
        {"epochs": 3, "batch_size": 2, "validation": 0.25, "optimizer": Adam(0.1)},
    ],
    ids=str,
)
def test_what_a_plan_says_stays(count: int, said: dict[str, object]) -> None:
    plan = Plan(**said).completed(rows=count)

    assert {name: getattr(plan, name) for name in said} == said


def test_a_plan_with_epochs_neither_stops_early_nor_holds_rows_out() -> None:
    plan = Plan(epochs=20).completed(rows=100_000)

    assert (plan.epochs, plan.early_stopping, plan.validation) == (20, None, 0.0)


@pytest.mark.parametrize(("count", "l2"), [(24, 0.01), (1_000, 0.01), (2_000, 0.005), (10_000, 10 / 9_000)])
def test_the_penalty_on_the_weights_falls_with_the_number_of_rows_trained_on(count: int, l2: float) -> None:
    assert Plan().completed(rows=count).l2 == Plan(loss="squared_error").completed(rows=count).l2 == l2


@pytest.mark.parametrize(
    "plan",
    [
        Plan(epochs=20),
        Plan(max_steps=20),
        Plan(optimizer="lbfgs"),
        Plan(loss="squared_error", standardize_targets=False),
    ],
)
def test_a_plan_of_its_own_length_or_units_has_no_penalty_on_the_weights(plan: Plan) -> None:
    assert plan.completed(rows=100).l2 == 0
    assert plan.completed(rows=None).l2 == 0


@pytest.mark.parametrize(
    "watching",
    [
        Plan(epochs=20, early_stopping=EarlyStopping()),
        Plan(epochs=20, schedule=ReduceOnPlateau(watch="validation_metric")),
        Plan(early_stopping=EarlyStopping()),
    ],
)
def test_rows_that_a_plan_watches_are_held_out_of_few_rows_too(watching: Plan) -> None:
    assert watching.completed(rows=30).validation == 0.1
    assert watching.completed(rows=4).validation == 0.25
    assert watching.completed(rows=1).validation == 0.0  # fit says what is wrong then


def test_rows_that_are_given_to_measure_on_end_the_training_and_no_others_are_held_out() -> None:
    X, y = rows(300)
    model = network()

    list(fit(model, X[:200], y[:200], plan=Plan(max_seconds=5), validation=(X[200:], y[200:])))

    assert model.plan is not None
    assert model.plan.validation == 0.0
    assert model.plan.early_stopping == EarlyStopping(patience=150)  # 600 steps of 4 an epoch
    assert Plan().completed(rows=200, held_out=49).early_stopping is None


def test_a_fraction_given_to_fit_takes_the_place_of_the_plans() -> None:
    X, y = rows(100)
    model = network()

    list(fit(model, X, y, plan=Plan(epochs=1, validation=0.5), validation=0.2))

    assert model.plan == Plan(epochs=1, validation=0.2).completed(rows=100)


def test_steps_that_are_said_are_made() -> None:
    X, y = rows(100)

    *_, last = fit(network(), X, y, plan=Plan(max_steps=1_234))

    assert (last.step, last.stopped) == (1_234, "max_steps")


@pytest.mark.parametrize(
    ("optimizer", "batch", "rate"),
    [
        (Adam(), 64, 1e-3),
        (Adam(), 5, 1e-3),
        (Adam(beta1=0.8), 256, 2e-3),
        (Adam(), 1_000, 2e-3),
        (NAdam(), 64, 2e-3),
        (SGD(), 128, 0.01 * 2**0.5),
        (LBFGS(), 256, 1.0),
    ],
)
def test_a_rate_that_is_left_open_is_the_optimisers_usual_one_times_the_root_of_longer_batches(
    optimizer: Adam | SGD | LBFGS, batch: int, rate: float
) -> None:
    plan = Plan(optimizer=optimizer, batch_size=batch).completed(rows=1_000_000)

    assert plan.optimizer == replace(optimizer, learning_rate=plan.optimizer.learning_rate)
    assert plan.optimizer.learning_rate == pytest.approx(rate)


def test_limits_bound_what_is_chosen() -> None:
    plan = Plan().completed(rows=100_000, most_batch=10, most_epochs=3)

    assert (plan.batch_size, plan.epochs) == (10, 3)


def test_null_in_json_is_left_open_and_a_completed_plan_returns_as_it_was() -> None:
    assert Plan.from_json({"epochs": None, "batch_size": None, "validation": None}) == Plan() == Plan.from_json({})
    assert Plan.from_json({"optimizer": {"kind": "adam", "beta1": 0.8}}) == Plan(optimizer=Adam(beta1=0.8))
    done = Plan().completed(rows=5_000)
    assert Plan.from_json(done.to_json()) == done
    assert Plan.from_json(Plan().to_json()) == Plan()


def test_the_model_and_its_file_tell_the_completed_plan(tmp_path: Path) -> None:
    X, y = rows(200)
    model = network()

    list(fit(model, X, y, plan=Plan()))
    model.save(tmp_path / "m.npz")

    assert model.plan == MLP.load(tmp_path / "m.npz").plan == Plan().completed(rows=200)


def test_a_packed_training_chooses_as_a_single_one() -> None:
    X, y = rows(200)
    single, pack = network(), [network(), network(1)]

    list(fit(single, X, y, plan=Plan()))
    list(fit_packed(pack, X, y, plans=[Plan(), Plan(optimizer=Adam(0.01))]))

    assert pack[0].plan == single.plan
    assert pack[1].plan == Plan(optimizer=Adam(0.01)).completed(rows=200)
    np.testing.assert_allclose(pack[0].parameters, single.parameters, rtol=1e-3, atol=1e-4)


def test_a_training_goes_on_by_the_same_choice() -> None:
    X, y = rows(1_200)
    whole, broken = network(), network()
    list(fit(whole, X, y, plan=Plan(max_steps=60)))
    run = fit(broken, X, y, plan=Plan(max_steps=60))
    for _ in range(2):
        next(run)

    again = network()
    list(fit(again, X, y, plan=Plan(max_steps=60), state=run.state.copy()))

    np.testing.assert_array_equal(again.parameters, whole.parameters)
    assert again.plan == whole.plan


def test_a_table_and_its_numbers_get_the_same_plan() -> None:
    X, y = rows(150)
    table = {f"c{j}": X[:, j] for j in range(4)}
    of_table, of_numbers = network(), network()
    of_table.encoder = TableEncoder().fit(table)

    list(fit(of_table, table, y, plan=Plan(max_seconds=5)))
    list(fit(of_numbers, X, y, plan=Plan(max_seconds=5)))

    assert of_table.plan == of_numbers.plan


def test_a_stream_has_the_usual_rate_and_batches() -> None:
    X, y = rows(10)
    model = network()

    partial_fit(model, X, y, plan=Plan())

    assert model.plan == Plan(batch_size=32, epochs=20, validation=0.0, l2=0.0, optimizer=Adam(1e-3))


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("wrong", [-1, "many", True, float("nan")])
def test_nonsense_is_refused_as_before(name: str, wrong: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        Plan(**{name: wrong})
    assert refused.value.pointer == name


# the shares of right answers by scikit-learn's MLP on the same splits are in benchmarks/defaults.json
@pytest.mark.parametrize(("load", "least"), [(load_iris, 0.94), (load_wine, 0.96)])
def test_a_plan_that_says_nothing_learns_small_data(load, least: float) -> None:
    X, y = load(return_X_y=True)
    scores = []
    for seed in range(3):
        train, test, known, wanted = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)
        scale = TableEncoder().fit({f"c{j}": train[:, j] for j in range(X.shape[1])})
        model = MLP(Architecture(X.shape[1], (Layer(64, "relu"), Layer(3))), seed=seed)
        model.encoder = scale
        list(fit(model, {f"c{j}": train[:, j] for j in range(X.shape[1])}, known, plan=Plan(seed=seed)))
        scores.append(np.mean(model.predict({f"c{j}": test[:, j] for j in range(X.shape[1])}) == wanted))
    assert np.median(scores) >= least


def test_the_rows_of_a_sparse_matrix_are_counted() -> None:
    X, y = rows(150)

    dense, sparse = (MLPClassifier(8, plan=Plan(max_seconds=5)).fit(each, y) for each in (X, csr_array(X)))

    assert dense.model_.plan == sparse.model_.plan == Plan(max_seconds=5).completed(rows=150)
