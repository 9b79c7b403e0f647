"""Compiled loops give the bits of the NumPy code they stand for; where exp and log are taken, within a unit."""

import os
import subprocess
import sys

import numpy as np
import pytest

from layerwise import MLP, SGD, Adam, Architecture, InvalidInput, Layer, Plan, fit, kernels, kernels_in_use
from layerwise.activations import ReLU
from layerwise.arena import Arena
from layerwise.losses import LossBuffers, SoftmaxCrossEntropy
from layerwise.metrics import Accuracy

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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 7, 131, 70_001])
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam(0.01)], ids=["sgd", "momentum", "adam"])
def test_an_optimiser_moves_to_the_same_bits(use, optimizer, size, dtype):
    start, gradients = difficult(size, dtype), [difficult(size, dtype, seed) for seed in (1, 2, 3)]
    found = []
    for wanted in ("numpy", "numba"):
        use(wanted)
        p, state = start.copy(), optimizer.init(start)
        with np.errstate(all="ignore"):
            for step, g in enumerate(gradients, start=1):
                optimizer.update(p, g, state, rate=0.01, step=step, scratch=np.empty(70_000, dtype))
        found.append([p, *state.values()])

    for numpys, numbas in zip(*found, strict=True):
        np.testing.assert_array_equal(np.isnan(numpys), np.isnan(numbas))  # of undefined numbers the sign is not ours
        assert np.nan_to_num(numpys, nan=0).tobytes() == np.nan_to_num(numbas, nan=0).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (33, 17), (128, 100)])
def test_bias_and_relu_and_its_derivative_are_the_same_bits(use, shape, dtype):
    use("numba")
    loops = kernels.compiled()
    assert loops is not None
    z, bias, delta = difficult(shape, dtype), difficult(shape[1:], dtype, 1)[::-1].copy(), difficult(shape, dtype, 2)
    a = z.copy()
    with np.errstate(all="ignore"):
        expected = z + bias
        ReLU().value(expected, bias, expected, expected.copy())
        slope = delta * (expected > 0).astype(dtype)

        loops.bias_relu(a, bias)
        loops.relu_derivative(delta, a)

    np.testing.assert_array_equal(a, expected)  # 0 and -0 are equal here: no product tells them apart
    assert delta.tobytes() == slope.tobytes() or np.isnan(slope).any()
    np.testing.assert_array_equal(delta, slope)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 2), (32, 3), (128, 10), (7, 300)])
def test_softmax_cross_entropy_is_the_same_within_rounding(use, shape, dtype):
    rng = np.random.default_rng(0)
    scores, targets = (rng.normal(size=shape) * 5).astype(dtype), rng.integers(0, shape[1], shape[0])
    found = []
    for wanted in ("numpy", "numba"):
        use(wanted)
        at = LossBuffers(*shape, np.dtype(dtype), Arena())
        SoftmaxCrossEntropy().measure(scores, targets, at)
        found.append((at.flat_row.copy(), at.gradient.copy()))

    unit = np.finfo(dtype).eps
    for numpys, numbas in zip(*found, strict=True):
        np.testing.assert_allclose(numbas, numpys, rtol=8 * unit, atol=8 * unit)


def test_accuracy_counts_the_same_rows_ties_included(use):
    scores = np.array([[1, 1, 0], [0, 2, 2], [3, 1, 3], [0, 0, 0]], np.float32)
    targets = np.array([0, 2, 0, 1])
    found = []
    for wanted in ("numpy", "numba"):
        use(wanted)
        sums = np.zeros(1)
        Accuracy(4, np.dtype(np.float32)).measure(scores, targets, sums)
        found.append(sums[0])

    assert found == [2, 2]


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "squared_error"])
def test_a_training_ends_at_the_same_place(use, loss):
    rng = np.random.default_rng(0)
    X, classes = rng.normal(size=(90, 5)).astype(np.float32), rng.integers(0, 3, 90)
    y = classes if loss == "softmax_cross_entropy" else rng.normal(size=(90, 3)).astype(np.float32)
    found = []
    for wanted in ("numpy", "numba"):
        use(wanted)
        model = MLP(Architecture(5, (Layer(16, "relu", dropout=0.2), Layer(8, "tanh"), Layer(3))))
        list(fit(model, X, y, plan=Plan(loss=loss, epochs=5, validation=0.2, l2=1e-3)))
        found.append(model.parameters)

    if loss == "squared_error":
        assert found[0].tobytes() == found[1].tobytes()
    else:
        np.testing.assert_allclose(found[1], found[0], atol=1e-4)


def test_which_kernels_are_in_use_is_told(use):
    use("numpy")
    assert kernels_in_use() == "numpy"
    use("numba")
    assert kernels_in_use() == f"numba {numba.__version__}"
    use("fortran")
    with pytest.raises(InvalidInput, match="LAYERWISE_KERNELS: expected one of auto, numpy, numba, got 'fortran'"):
        kernels_in_use()


PROGRAM = """
import sys
import numpy as np
from layerwise import MLP, Architecture, Layer, Plan, fit, kernels_in_use
assert "numba" not in sys.modules
for _ in fit(MLP(Architecture(2, (Layer(4, "relu"), Layer(2)))), np.eye(2), [0, 1], plan=Plan(epochs=1)):
    pass
print(kernels_in_use())
"""


def test_nothing_is_imported_before_training_begins_and_no_cache_is_needed(tmp_path):
    """As in a container whose file system is read-only."""
    nowhere = tmp_path / "file"
    nowhere.touch()
    environment = os.environ | {"LAYERWISE_KERNELS": "auto", "LAYERWISE_KERNEL_CACHE": str(nowhere / "no folder")}

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )

    assert ended.stdout == f"numba {numba.__version__}\n", ended.stderr
