"""Compiled loops give the bits of the NumPy code they stand for, number by number and over a whole training."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from layerwise import (
    MLP,
    SGD,
    Adam,
    AdamW,
    Architecture,
    InvalidInput,
    Layer,
    LeakyReLU,
    NAdam,
    Plan,
    ReLU,
    fit,
    fit_packed,
    kernels,
    kernels_in_use,
)
from layerwise.activations import UnitBuffers
from layerwise.losses import LossBuffers, SoftmaxCrossEntropy
from layerwise.metrics.running import Accuracy
from layerwise.optimizers.optimizer import claim_cache_lines
from layerwise.workspace import Arena

numba = pytest.importorskip("numba", reason="the extra `fast` is not installed")

DTYPES = [np.float32, np.float64]


@pytest.fixture
def use(monkeypatch):
    """Chooses between NumPy and the compiled loops."""

    def choose(wanted):
        monkeypatch.setenv("LAYERWISE_KERNELS", wanted)
        kernels.compiled.cache_clear()

    yield choose
    monkeypatch.undo()
    kernels.compiled.cache_clear()


def difficult(shape, dtype, seed=0):
    """Numbers of all sizes, with zeros of both signs, denormal, huge, infinite and undefined ones among them."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=shape) * 10.0 ** rng.integers(-30, 30, shape)).astype(dtype)
    odd = np.array([0.0, -0.0, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max, -np.inf, np.inf, np.nan], dtype)
    flat = x.reshape(-1)
    flat[: len(odd)] = odd[: flat.size]
    return x


def assert_same_bits(found, expected):
    """Of undefined numbers, only that they are undefined: their sign and payload are the processor's affair."""
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        assert np.nan_to_num(one, nan=0).tobytes() == np.nan_to_num(other, nan=0).tobytes()


def both(use, run):
    """What `run()` returns with the compiled loops, and without."""
    found = []
    for wanted in ("numba", "numpy"):
        use(wanted)
        with np.errstate(all="ignore"):
            found.append(run())
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 7, 131, 70_001])
@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(0.1, 0.9), SGD(0.1, 0.9, nesterov=True), Adam(0.01), AdamW(0.01), NAdam(0.01)],
    ids=["sgd", "momentum", "nesterov", "adam", "adamw", "nadam"],
)
def test_an_optimiser_moves_to_the_same_bits(use, optimizer, size, dtype):
    start, gradients = difficult(size, dtype), [difficult(size, dtype, seed) for seed in (1, 2, 3)]

    def run():
        assert (optimizer.compiled() is None) == (kernels_in_use() == "numpy")
        p, state = start.copy(), optimizer.init(start)
        for step, g in enumerate(gradients, start=1):
            optimizer.update(p, g, state, rate=0.01, step=step, scratch=np.empty(70_000, dtype))
        return [p, *state.values()]

    assert_same_bits(*both(use, run))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (5, 3), (33, 17), (128, 100)])
@pytest.mark.parametrize("activation", [ReLU(), LeakyReLU(), LeakyReLU(0.3)], ids=str)
def test_bias_and_activation_and_derivative_are_the_same_bits(use, activation, shape, dtype):
    z, bias, delta = difficult(shape, dtype), difficult(shape[1:], dtype, 1)[::-1].copy(), difficult(shape, dtype, 2)
    none = np.empty(0, dtype)

    def run():
        a, own = z.copy(), delta.copy()
        scratch, mask = np.empty(shape, dtype), np.empty(shape, np.bool_)
        if loops := activation.compiled():
            loops.value(a, bias, *loops.constants)
            loops.derivative(own, a, *loops.constants)
        else:
            a += bias
            activation.value(a, none, a, scratch)
            activation.derivative(UnitBuffers(a, a, own, own, none, none, scratch, mask))
        return a, own

    assert_same_bits(*both(use, run))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 40), (2, 1), (2, 40), (3, 1000), (32, 3), (128, 10), (7, 300)])
@pytest.mark.parametrize("kind", ["usual", "difficult"])
def test_softmax_cross_entropy_is_the_same_bits(use, kind, shape, dtype):
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=shape) * 5).astype(dtype) if kind == "usual" else difficult(shape, dtype)
    targets = rng.integers(0, shape[1], shape[0])

    def run():
        buffers = LossBuffers(shape[0], shape[1], np.dtype(dtype), Arena())
        loss = SoftmaxCrossEntropy().evaluate(scores, targets, buffers)
        return np.array(loss), buffers.losses, buffers.gradient

    assert_same_bits(*both(use, run))


@pytest.mark.parametrize("target", [-1, 3, 2**40])
def test_a_target_that_is_no_class_never_reaches_memory_beyond(use, target):
    use("numba")
    buffers = LossBuffers(2, 3, np.dtype(np.float32), Arena())

    with pytest.raises(IndexError, match="a target is no class of the network"):
        SoftmaxCrossEntropy().evaluate(np.zeros((2, 3), np.float32), np.array([0, target]), buffers)


def test_accuracy_counts_the_same_rows_ties_included(use):
    scores = np.array([[1, 1, 0], [0, 2, 2], [3, 1, 3], [0, 0, 0]], np.float32)
    targets = np.array([0, 2, 0, 1])

    def run():
        sums = np.zeros(1)
        Accuracy(4, np.dtype(np.float32)).measure(scores, targets, sums)
        return sums[0]

    assert both(use, run) == [2, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "squared_error"])
@pytest.mark.parametrize("optimizer", [Adam(), SGD(0.01, 0.9)], ids=["adam", "sgd"])
def test_a_training_ends_with_the_same_bits(use, optimizer, loss, dtype):
    """91 rows: the last batch is of one row, of which NumPy adds up a softmax in another order."""
    rng = np.random.default_rng(0)
    X, classes = rng.normal(size=(91, 5)).astype(dtype), rng.integers(0, 12, 91)
    y = classes if loss == "softmax_cross_entropy" else rng.normal(size=(91, 12)).astype(dtype)
    layers = Layer(16, "relu", dropout=0.2), Layer(9, "leaky_relu"), Layer(8, "tanh", dropout=0.1), Layer(12)

    def run():
        model = MLP(Architecture(5, layers, input_dropout=0.1), dtype=dtype)
        plan = Plan(loss=loss, optimizer=optimizer, epochs=5, batch_size=10, l2=1e-3)
        records = list(fit(model, X, y, plan=plan))
        return model.parameters, np.array([(record.loss, record.metric) for record in records])

    assert_same_bits(*both(use, run))


def test_which_kernels_are_in_use_is_told(use):
    use("numpy")
    assert kernels_in_use() == "numpy"
    use("numba")
    assert kernels_in_use() == f"numba {numba.__version__}"
    use("fortran")
    with pytest.raises(InvalidInput, match="LAYERWISE_KERNELS: expected one of auto, numpy, numba, got 'fortran'"):
        kernels_in_use()


PROGRAM = """
import os, sys
import numpy as np
from layerwise import MLP, Architecture, Layer, Plan, fit, kernels_in_use
assert "numba" not in sys.modules
for _ in fit(MLP(Architecture(2, (Layer(4, "relu"), Layer(2)))), np.eye(2), [0, 1], plan=Plan(epochs=1)):
    pass
from layerwise.kernels import loops
stats = loops.adam.stats
print(kernels_in_use(), sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def trained_anew(cache, *before, **environment):
    """What a process prints that trains with compiled code kept in `cache`: kernels, loops found there, and not."""
    ended = subprocess.run(
        [*before, sys.executable, "-c", PROGRAM],
        env=os.environ | {"LAYERWISE_KERNELS": "auto", "LAYERWISE_KERNEL_CACHE": str(cache)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ended.stderr
    return ended.stdout.split("numba ")[-1].split()


def test_nothing_is_imported_before_training_begins_and_compiled_code_is_kept(tmp_path):
    assert trained_anew(tmp_path / "new" / "cache") == [numba.__version__, "0", "1"]
    assert trained_anew(tmp_path / "new" / "cache") == [numba.__version__, "1", "0"]


def test_a_cache_that_cannot_be_written_is_read_all_the_same(tmp_path):
    """As in a container whose file system is read-only, but for a place for temporary files, which is left empty."""
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    trained_anew(cache)
    for folder in (*cache.iterdir(), cache):
        folder.chmod(0o555)
    mortal = []
    if os.geteuid() == 0:  # who may write everywhere, unless told otherwise
        if (setpriv := shutil.which("setpriv")) is None:
            pytest.skip("setpriv is not installed")
        mortal = [setpriv, "--bounding-set=-dac_override", "--inh-caps=-dac_override"]

    found = trained_anew(cache, *mortal, TMPDIR=str(temporary))

    assert found == [numba.__version__, "1", "0"]
    assert not list(temporary.iterdir())


def test_compiled_code_that_can_be_kept_nowhere_is_compiled_anew(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.touch()

    assert trained_anew(nowhere / "no folder") == [numba.__version__, "0", "1"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_claiming_the_lines_of_a_vector_changes_no_bit(dtype):
    vector = difficult(1003, dtype)
    before = vector.copy()

    claim_cache_lines(vector)

    assert_same_bits(vector, before)


def mixed_network(activations, dtype):
    rng = np.random.default_rng(1)
    layers = (Layer(units, activation) for units, activation in zip((7, 18, 5), activations, strict=True))
    model = MLP(Architecture(9, (*layers, Layer(3))), seed=2, dtype=dtype)
    model.parameters[:] = rng.normal(size=model.parameters.size) / 3
    model.plan, model.labels = Plan(), ("a", "b", "c")
    return model, rng.normal(size=(5, 9)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activations", [("relu",) * 3, ("relu", "identity", LeakyReLU(0.2)), ("tanh", "relu", "elu")])
def test_few_rows_are_answered_as_by_matrix_products(use, activations, dtype):
    model, x = mixed_network(activations, dtype)
    use("numpy")
    exact = model.outputs_by_products(x.astype(dtype))
    plain = [model.predict_proba(x[:rows]) for rows in (1, 5)]

    use("numba")
    compiled = MLP.__new__(MLP)
    compiled.__dict__.update(model.__dict__, _inference_pass=None)

    digits = 20 * np.finfo(dtype).eps
    assert np.allclose(compiled.outputs(x), exact, rtol=digits, atol=digits)
    assert np.array_equal(compiled.outputs_by_products(x), exact)
    for rows, expected in zip((1, 5), plain, strict=True):
        assert np.allclose(compiled.predict_proba(x[:rows]), expected, rtol=digits, atol=digits)
    assert compiled.predict(x).tolist() == model.predict(x).tolist()


def test_few_rows_with_a_number_that_is_not_finite_are_refused_where_it_stands(use):
    model, x = mixed_network(("relu",) * 3, np.float32)
    use("numba")
    for wrong in (np.nan, np.inf, -np.inf):
        x[3, 4] = wrong
        with pytest.raises(InvalidInput, match=r"X\[3\]\[4\]: expected a finite number"):
            model.predict(x)


@pytest.mark.parametrize("activation", ["relu", LeakyReLU(0.1), "identity"])
def test_few_rows_bend_as_the_activation_does_at_zero_and_beyond_the_finite_numbers(use, activation):
    use("numba")
    model = MLP(Architecture(1, (Layer(4, activation),)), seed=0)
    model.parameters[:] = [1, -1, 3e38, -3e38, 0, 0, 0, 0]
    with np.errstate(over="ignore"):
        for x in (0.0, 5.0, -5.0):
            row = np.array([[x]], np.float32)
            assert_same_bits(model.outputs(row), model.outputs_by_products(row))


def test_the_largest_scores_do_not_overflow_a_softmax(use):
    use("numba")
    scores = np.array([[1000.0, 999.0], [-1000.0, -1000.0], [0.0, -800.0]], np.float32)

    found = kernels.compiled().softmax(scores)

    assert np.allclose(found, [[np.e / (1 + np.e), 1 / (1 + np.e)], [0.5, 0.5], [1.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", LeakyReLU(0.3)])
def test_packed_training_gives_the_same_bits_with_either_kernels(use, activation):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 5)).astype(np.float32), rng.integers(0, 4, 100)
    found = []
    for wanted in ("numpy", "numba"):
        use(wanted)
        models = [MLP(Architecture(5, (Layer(7, activation, dropout=0.2), Layer(4))), seed=k) for k in range(3)]
        plans = [Plan(seed=k, epochs=3, batch_size=32, validation=0.2, l2=1e-3) for k in range(3)]
        records = list(fit_packed(models, X, y, plans=plans))
        found.append([*(model.parameters for model in models), records[-1].loss, records[-1].validation_metric])

    for plain, compiled in zip(*found, strict=True):
        assert_same_bits(compiled, plain)
