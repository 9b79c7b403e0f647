"""The names that users may import."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import layerwise

NAMES = """
    MLP Architecture Layer Plan EarlyStopping fit partial_fit Training TrainingState Record Finding LayerHealth Loss
    held_out_rows fit_packed PackedTraining PackedRecord kernels_in_use
    Summary gradient_check GradientCheck metric_name
    ELU GELU SELU SiLU Softplus Constant Orthogonal
    Identity Sigmoid Tanh ReLU LeakyReLU PReLU Maxout
    SGD Adagrad RMSprop Adadelta Adam AdamW NAdam LBFGS find_learning_rate RateFinding
    StepDecay ExponentialDecay InverseTimeDecay PolynomialDecay CosineDecay OneCycle ReduceOnPlateau
    SoftmaxCrossEntropy SigmoidCrossEntropy Hinge SquaredHinge
    SquaredError AbsoluteError Huber Quantile Poisson Gamma Tweedie
    evaluate Evaluation permutation_importance Importances integrated_gradients Contributions metrics
    InvalidInput Diverged CorruptModel
    TableEncoder Encoding Standardize MinMax Quantiles Log Unscaled OneHot Ordinal Hashing DateParts HashedWords
    Format NumberFormat BooleanFormat DateFormat TimeFormat CategoryFormat TextFormat
"""


def test_the_public_names_are_exactly_these():
    assert sorted(layerwise.__all__) == sorted(NAMES.split())
    assert all(hasattr(layerwise, name) for name in layerwise.__all__)


def test_an_import_loads_no_module_that_few_need():
    slow = ("importlib.metadata", "multiprocessing", "asyncio", "http", "numba", "onnx", "sklearn", "pandas")
    code = f"import sys, layerwise; print([name for name in {slow} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_metric_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()

    functions = [name for name in layerwise.metrics.__all__ if name[0].islower()]
    assert [name for name in functions if not re.search(rf"`{name}\b", text)] == []
    assert {f.name for f in dataclasses.fields(layerwise.Evaluation)} <= set(re.findall(r"\w+", text))
