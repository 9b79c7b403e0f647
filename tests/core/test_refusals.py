"""Arguments that cannot be used are refused by name, before anything of the model is changed."""

import json
import warnings

import numpy as np
import pytest

from layerwise import (
    LBFGS,
    MLP,
    SGD,
    Architecture,
    Diverged,
    InvalidInput,
    Layer,
    Plan,
    ReduceOnPlateau,
    TrainingState,
    find_learning_rate,
    fit,
    fit_packed,
    gradient_check,
    partial_fit,
)

NAN = float("nan")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.arange(60) % 3


def network(outputs=3, **arguments):
    return MLP(Architecture(4, (Layer(8, "relu"), Layer(outputs))), **arguments)


def left(plan, steps=2, y=Y, **arguments):
    """The state of a training that was left after `steps` steps."""
    run = fit(network(**arguments), X, y, plan=plan, every="step")
    for _ in range(steps):
        next(run)
    return run.state


# --- states ---


@pytest.mark.parametrize(
    ("plan", "y", "rows", "words"),
    [
        (Plan(batch_size=20), Y, 60, r"its position is 32, not 20, the batch size, or a multiple of it below 60"),
        (Plan(batch_size=16), Y[:30], 30, r"its position is 32, not 16, the batch size, or a multiple of it below 30"),
        (
            Plan(batch_size=16, loss="squared_error"),
            np.eye(3)[Y],
            60,
            r"its metric_sums is float64 \(1,\), not float64 \(3,\)",
        ),
        (Plan(batch_size=16, optimizer="sgd"), Y, 60, r"its optimizer/mean is float32 \(67,\), not missing"),
        (Plan(batch_size=16, optimizer=SGD(0.1, 0.9)), Y, 60, r"its optimizer/velocity is missing, not float32"),
        (Plan(optimizer=LBFGS()), Y, 60, r"its optimizer/steps is missing, not float32 \(10, 67\)"),
    ],
)
def test_the_state_of_another_training_is_refused_before_the_model_changes(plan, y, rows, words):
    state, model = left(Plan(batch_size=16)), network(seed=5)
    before = model.parameters.tobytes()

    with pytest.raises(
        InvalidInput, match=rf"^state: expected the state of a training with the same network, plan, .*{words}"
    ):
        fit(model, X[:rows], y, plan=plan, state=state)

    assert model.parameters.tobytes() == before


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("parameters", np.zeros(5, np.float32), r"its parameters is float32 \(5,\), not float32 \(67,\)"),
        ("parameters", np.zeros(67), r"its parameters is float64 \(67,\), not float32 \(67,\)"),
        ("parameters", np.full(67, NAN, np.float32), "expected finite parameters: the training had diverged"),
        ("average", np.zeros(5, np.float32), r"its average is float32 \(5,\)"),
        ("best", np.zeros(67), r"its best is float64 \(67,\)"),
        ("statistics", np.zeros(5, np.float32), r"its statistics is float32 \(5,\), not missing"),
        ("best_statistics", np.zeros(5, np.float32), r"its best_statistics is float32 \(5,\), not missing"),
        ("metric_sums", np.zeros(1, np.float32), r"its metric_sums is float32 \(1,\), not float64 \(1,\)"),
        ("plateau", {"best": 1.0}, r"its plateau is of \['best'\], not of best, waited, factor"),
        ("plateau", {"worst": 1.0}, r"its plateau is of \['worst'\]"),
        ("position", 60, "its position is 60"),
        ("epoch", 20, "its epoch is 20, not below 20, the plan's epochs"),
    ],
)
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_field_that_does_not_fit_is_refused(optimizer, name, value, words):
    plan = Plan(batch_size=60, epochs=20, optimizer=optimizer, schedule=ReduceOnPlateau("loss"))
    state, model = left(plan, 1), network()
    setattr(state, name, value)
    before = model.parameters.tobytes()

    with pytest.raises(InvalidInput, match=f"state: .*{words}"):
        fit(model, X, Y, plan=plan, state=state)

    assert model.parameters.tobytes() == before


def test_at_the_end_of_an_epoch_training_may_go_on_with_other_rows_and_batches():
    run = fit(network(), X, Y, plan=Plan(epochs=3, batch_size=16))
    next(run)

    records = list(fit(network(), X[:45], Y[:45], plan=Plan(epochs=3, batch_size=7), state=run.state))

    assert [(record.epoch, record.step) for record in records] == [(2, 4 + 7), (3, 4 + 14)]


def test_an_average_that_begins_later_begins_with_the_weights_that_are_there():
    run = fit(network(), X, Y, plan=Plan(epochs=2, batch_size=60))
    next(run)
    model, plain = network(seed=5), network(seed=5)
    begun = run.state.parameters.copy()

    list(fit(plain, X, Y, plan=Plan(epochs=2, batch_size=60), state=run.state))
    list(fit(model, X, Y, plan=Plan(epochs=2, batch_size=60, average=0.75), state=run.state))

    np.testing.assert_allclose(model.parameters, 0.75 * begun + 0.25 * plain.parameters, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("state", [{}, "state", np.zeros(3), 0])
@pytest.mark.parametrize("train", [fit, partial_fit])
def test_what_is_no_state_is_refused(train, state):
    with pytest.raises(InvalidInput, match="state: expected a TrainingState, got "):
        train(network(), X, Y, plan=Plan(), state=state)


def altered(**changes):
    plain = json.loads(bytes(left(Plan(batch_size=16)).to_arrays()["state"])) | changes
    return np.frombuffer(json.dumps(plain).encode(), np.uint8)


@pytest.mark.parametrize(
    ("name", "junk", "words"),
    [
        ("state", None, r"^state: expected JSON as an array \(n,\) of uint8, got none"),
        ("state", "text", r"^state: expected JSON as an array \(n,\) of uint8, got 'text'"),
        ("state", np.zeros(3), r"^state: expected JSON as an array \(n,\) of uint8, got float64 \(3,\)"),
        ("state", np.full(3, 255, np.uint8), "^state: expected JSON in UTF-8"),
        ("state", np.frombuffer(b"{", np.uint8), "^state: expected JSON in UTF-8"),
        ("state", np.frombuffer(b"[]", np.uint8), r"^state: expected an object, got \[\]"),
        ("state", np.frombuffer(b"{}", np.uint8), "^state.generator: expected a value, the field is missing"),
        ("state", altered(more=1), "^state.more: unknown field"),
        ("state", altered(generator=3), "^state.generator: expected the state of a PCG64, got 3"),
        ("state", altered(generator={"bit_generator": "MT19937"}), "^state.generator: expected the state of a PCG64"),
        ("state", altered(optimizer="mean"), "^state.optimizer: expected a list of names, got 'mean'"),
        ("state", altered(optimizer=[[1]]), r"^optimizer/\[1\]: expected an array of float32 or float64, got none"),
        ("state", altered(epoch=-1), "^state.epoch: expected a whole number of at least 0, got -1"),
        ("state", altered(position="0"), "^state.position: expected a whole number of at least 0, got '0'"),
        ("state", altered(step=1.5), "^state.step: expected a whole number"),
        ("state", altered(seconds=None), "^state.seconds: expected a number, got None"),
        ("state", altered(loss_sum=True), "^state.loss_sum: expected a number, got True"),
        ("state", altered(plateau=[]), r"^state.plateau: expected numbers by name, got \[\]"),
        ("state", altered(health={"dead:0": "a"}), "^state.health.dead:0: expected a number, got 'a'"),
        ("state", altered(stopped=1), "^state.stopped: expected a word, got 1"),
        ("state", altered(best=[1.0]), "^state.best: expected an array of its own, or none"),
        ("parameters", None, "^parameters: expected an array of float32 or float64, got none"),
        ("parameters", [1.0, 2.0], r"^parameters: expected an array of float32 or float64, got \[1.0, 2.0\]"),
        (
            "optimizer/mean",
            np.array(["a"]),
            r"^optimizer/mean: expected an array of float32 or float64, got <U1 \(1,\)",
        ),
        ("metric_sums", np.float64(1), "^metric_sums: expected an array of float32 or float64"),
        ("average", np.zeros(67, complex), "^average: expected an array of float32 or float64, got complex128"),
    ],
)
def test_junk_among_the_arrays_of_a_state_is_named(name, junk, words):
    arrays = left(Plan(batch_size=16)).to_arrays()
    arrays[name] = junk
    if junk is None:
        del arrays[name]

    with pytest.raises(InvalidInput, match=words):
        TrainingState.from_arrays(arrays)


@pytest.mark.parametrize("arrays", [None, 3, [np.zeros(3)], "state"])
def test_what_is_no_mapping_of_arrays_is_refused(arrays):
    with pytest.raises(InvalidInput, match="arrays: expected arrays by name, got "):
        TrainingState.from_arrays(arrays)


# --- a stream ---


def test_a_stream_may_change_its_rows_its_weights_and_outlast_its_budgets():
    plain, bounded = network(), network()
    plain.labels = bounded.labels = (0, 1, 2)
    states: list[TrainingState] = [None, None]

    for rows, weights in (20, None), (33, np.ones(33)), (7, None):
        for i, (model, plan) in enumerate([(plain, Plan()), (bounded, Plan(max_steps=1, max_seconds=1e-9))]):
            states[i] = partial_fit(model, X[:rows], Y[:rows], plan=plan, weights=weights, state=states[i])

    assert [state.step for state in states] == [3, 3]
    assert plain.parameters.tobytes() == bounded.parameters.tobytes()


def test_a_stream_goes_on_from_a_training_that_has_ended():
    run = fit(network(), X, Y, plan=Plan(max_steps=1, batch_size=16))
    list(run)
    assert run.state.stopped == "max_steps"

    state = partial_fit(network(), X[:5], Y[:5], plan=Plan(), state=run.state)

    assert (state.step, state.position, state.stopped) == (2, 0, None)


# --- models, plans, seeds ---


@pytest.mark.parametrize("model", [None, "model", Architecture(4, (Layer(3),)), MLP])
@pytest.mark.parametrize("use", [fit, partial_fit, find_learning_rate, gradient_check])
def test_what_is_no_model_is_refused(use, model):
    with pytest.raises(InvalidInput, match="model: expected an MLP, got "):
        use(model, X, Y, plan=Plan())


@pytest.mark.parametrize("plan", [0, "adam", {}, Plan])
@pytest.mark.parametrize("use", [fit, partial_fit, find_learning_rate, gradient_check])
def test_what_is_no_plan_is_refused(use, plan):
    with pytest.raises(InvalidInput, match="plan: expected a Plan, got "):
        use(network(), X, Y, plan=plan)


def test_a_pack_refuses_what_is_no_model_and_no_plan():
    with pytest.raises(InvalidInput, match=r"models\[0\]: expected an MLP, got 'model'"):
        fit_packed(["model"], X, Y, plans=Plan())
    with pytest.raises(InvalidInput, match=r"plans\[0\]: expected a Plan, got {}"):
        fit_packed([network()], X, Y, plans=[{}])


@pytest.mark.parametrize("seed", [-1, 1.0, None, True, 2**64])
def test_the_seed_of_a_gradient_check_is_a_whole_number(seed):
    with pytest.raises(InvalidInput, match="seed: expected a whole number"):
        gradient_check(network(), X, Y, plan=Plan(), seed=seed)


@pytest.mark.parametrize("dtype", [None, "float16", np.int64, "abc", object])
def test_a_network_is_of_float32_or_float64_by_name(dtype):
    with pytest.raises(InvalidInput, match="dtype: expected float32 or float64, got "):
        network(dtype=dtype)


def test_weights_beyond_the_networks_numbers_are_refused():
    with pytest.raises(InvalidInput, match=r"weights\.layer0/bias: expected finite numbers within float32"):
        network(weights={"layer0/bias": np.full(8, 1e300)})


# --- rows ---


def test_row_weights_beyond_the_networks_numbers_are_refused():
    weights = np.ones(60)
    weights[7] = 1e300

    with pytest.raises(InvalidInput, match=r"^weights\[7\]: expected a number within float32, got 1e\+300$"):
        fit(network(), X, Y, plan=Plan(), weights=weights)
    with pytest.raises(InvalidInput, match=r"^weights: expected at least one weight above 0, all are zero in float32$"):
        fit(network(), X, Y, plan=Plan(), weights=np.full(60, 1e-300))
    with pytest.raises(InvalidInput, match=r"^class_weight\[1\]: expected a number within float32, got 1e\+300$"):
        fit(network(), X, Y, plan=Plan(class_weight=(1, 1e300, 1)))
    with pytest.raises(InvalidInput, match=r"^weights\[1\]: expected a number within float32, got 1.*e\+60$"):
        fit(network(), X, Y, plan=Plan(class_weight=(1, 1e30, 1)), weights=np.full(60, 1e30))
    next(fit(network(dtype=np.float64), X, Y, plan=Plan(), weights=weights))


@pytest.mark.parametrize("use", [fit, partial_fit])
def test_arrays_with_a_mask_are_refused(use):
    masked, y = np.ma.masked_greater(X, 1.0), np.ma.masked_equal(Y, 2)
    wanted = "expected an array without a mask, got a masked one"

    with pytest.raises(InvalidInput, match=f"^X: {wanted}"):
        use(network(), masked, Y, plan=Plan())
    with pytest.raises(InvalidInput, match=f"^y: {wanted}"):
        use(network(), X, y, plan=Plan())
    with pytest.raises(InvalidInput, match=f"^y: {wanted}"):
        use(network(1), X, y.astype(float), plan=Plan(loss="squared_error"))
    with pytest.raises(InvalidInput, match=f"^weights: {wanted}"):
        use(network(), X, Y, plan=Plan(), weights=y)
    with pytest.raises(InvalidInput, match=f"^X: {wanted}"):
        network().predict(masked.astype(np.float32))


def test_rows_to_validate_on_may_stand_in_a_list():
    for given in [X[:9], Y[:9]], [X[:9], Y[:9], np.ones(9)]:
        listed, expected = (next(fit(network(), X, Y, plan=Plan(), validation=form(given))) for form in (list, tuple))
        packed = next(fit_packed([network()], X, Y, plans=Plan(), validation=given))

        assert listed == expected
        assert packed.validation_loss[0] == pytest.approx(expected.validation_loss, rel=1e-5)


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        ([X], r"expected a fraction, \(X, y\) or \(X, y, weights\), got 1 item$"),
        ((X, Y, Y, Y), r"expected a fraction, \(X, y\) or \(X, y, weights\), got 4 items$"),
        ("0.1", r"expected a fraction, \(X, y\) or \(X, y, weights\), got '0.1'$"),
        (X, r"expected a fraction, \(X, y\) or \(X, y, weights\), got array"),
        ({"X": X}, r"expected a fraction, \(X, y\) or \(X, y, weights\), got {'X'"),
        (1.0, "expected a finite number of at least 0 and below 1, got 1$"),
        (True, "expected a finite number of at least 0 and below 1, got True$"),
    ],
)
def test_what_is_no_validation_is_refused(validation, words):
    for use in (
        lambda: fit(network(), X, Y, plan=Plan(), validation=validation),
        lambda: fit_packed([network()], X, Y, plans=Plan(), validation=validation),
    ):
        with pytest.raises(InvalidInput, match=f"^validation: {words}"):
            use()


# --- what is told of a training that diverges ---


@pytest.mark.parametrize("optimizer", [SGD(0.25), LBFGS(0.25)])
def test_divergence_in_the_first_step_tells_its_rate(optimizer):
    model = network(1, weights={"layer1/bias": [1e30]})

    with pytest.raises(Diverged, match=r"step 1: .*learning rate 0.25\)") as caught:
        list(fit(model, X, X[:, 0], plan=Plan(loss="squared_error", standardize_targets=False, optimizer=optimizer)))

    assert str(caught.value).endswith("Standardize the targets to zero mean and unit variance")


@pytest.mark.parametrize("packed", [False, True])
def test_a_classifier_is_told_nothing_of_targets(packed):
    model = network(weights={"layer1/bias": [3e38, -3e38, 0]})
    model.parameters[:] = np.where(model.parameters > 1e38, np.inf, model.parameters)
    plan = Plan(loss="squared_hinge")

    if packed:
        pack = fit_packed([model], X, Y, plans=plan)
        list(pack)
        caught = pack.diverged[0]
    else:
        with pytest.raises(Diverged) as raised:
            list(fit(model, X, Y, plan=plan))
        caught = raised.value

    assert str(caught).endswith("(loss inf, learning rate 0.001). Lower the learning rate, or clip the gradient")


def test_rows_of_nothing_but_nan_are_told_without_a_warning():
    rows = np.full((60, 4), NAN)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Diverged, match="Some inputs are NaN or infinite: remove or fill those rows"):
            list(fit(network(), rows, Y, plan=Plan(), check=False))
        pack = fit_packed([network()], rows, Y, plans=Plan(), check=False)
        list(pack)

    assert "Some inputs are NaN or infinite" in str(pack.diverged[0])
