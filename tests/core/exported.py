"""Networks to be exported: a table of architectures × losses, their numbers drawn at random, none of them trained."""

import numpy as np

from layerwise import (
    ELU,
    MLP,
    Architecture,
    Hinge,
    Layer,
    LeakyReLU,
    Maxout,
    Plan,
    SquaredHinge,
    Tweedie,
)

ROWS = np.random.default_rng(1).normal(size=(40, 5))

_ACTIVATIONS = {
    "identity": "identity",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "leaky_relu": LeakyReLU(0.2),
    "prelu": "prelu",
    "maxout": Maxout(3),
    "elu": ELU(0.7),
    "selu": "selu",
    "gelu": "gelu",
    "silu": "silu",
    "softplus": "softplus",
}
# hidden layers over 5 inputs, and the fields of the architecture
ARCHITECTURES = {name: ([Layer(7, each), Layer(6, each)], {}) for name, each in _ACTIVATIONS.items()} | {
    "none": ([], {}),
    "batch": ([Layer(7, "relu", normalization="batch"), Layer(6, Maxout(2), normalization="batch")], {}),
    "layer": ([Layer(7, "tanh", normalization="layer"), Layer(6, "prelu", normalization="layer")], {}),
    "residual": ([Layer(5, "relu", residual=True), Layer(5, "gelu", residual=True, normalization="batch")], {}),
    "scaled": ([Layer(7, "silu", dropout=0.5)], {"input_scale": 0.25, "input_shift": -1.5}),
}
# the loss, the outputs and the labels
LOSSES = {
    "softmax": ("softmax_cross_entropy", 3, ("a", "ç", "c")),
    "softmax of numbers": ("softmax_cross_entropy", 3, (7, -1, 2**40)),
    "sigmoid": ("sigmoid_cross_entropy", 1, (False, True)),
    "one against all": ("sigmoid_cross_entropy", 3, ("x", "y", "z")),
    "flags": ("sigmoid_cross_entropy", 3, None),
    "a flag": ("sigmoid_cross_entropy", 1, None),
    "hinge": ("hinge", 3, ("x", "y", "z")),
    "hinge of one output": (Hinge("one_vs_rest"), 1, ("no", "yes")),
    "squared hinge": (SquaredHinge("one_vs_rest"), 3, (0, 1, 2)),
    "squared error": ("squared_error", 1, None),
    "absolute error": ("absolute_error", 2, None),
    "huber": ("huber", 1, None),
    "quantile": ("quantile", 2, None),
    "poisson": ("poisson", 1, None),
    "gamma": ("gamma", 2, None),
    "tweedie": (Tweedie(1.2), 1, None),
    "untrained": (None, 2, None),
}
TABLE = [(architecture, loss) for architecture in ARCHITECTURES for loss in LOSSES]


def network(architecture, loss="softmax", dtype=np.float32):
    """The network of the table, every number of it random."""
    hidden, fields = ARCHITECTURES[architecture]
    kind, outputs, labels = LOSSES[loss]
    model = MLP(Architecture(5, (*hidden, Layer(outputs)), **fields), seed=3, dtype=dtype)
    rng = np.random.default_rng(4)
    model.parameters[:] += rng.normal(0, 0.3, model.parameters.size)
    for name, array in model.weights.items():
        if name.endswith("/mean"):
            array[:] = rng.normal(size=array.shape)
        if name.endswith("/variance"):
            array[:] = rng.gamma(2.0, size=array.shape)
    if kind is not None:
        model.plan = Plan(loss=kind)
        model.labels = labels
    return model
