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
    TableEncoder,
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


def table(rows=60):
    """A table with gaps, by column names: numbers, categories and dates."""
    rng = np.random.default_rng(6)
    gap = rng.random((rows, 3)) < 0.2
    distance = rng.gamma(2.0, 300.0, rows).tolist()
    carrier = rng.choice(["AA", "ÜA", "", "DL", "WN"], rows, p=[0.4, 0.2, 0.1, 0.2, 0.1]).tolist()
    seconds = rng.integers(-3_000_000_000, 2_000_000_000, rows)
    return {
        "distance": [None if missing else value for value, missing in zip(distance, gap[:, 0], strict=True)],
        "stops": rng.integers(0, 4, rows).tolist(),
        "label": carrier,
        "size": rng.choice(["s", "m", "l"], rows).tolist(),
        "night": (rng.random(rows) < 0.5).tolist(),
        "day": [
            None if missing else str(np.datetime64(value, "s"))
            for value, missing in zip(seconds.tolist(), gap[:, 1], strict=True)
        ],
    }


NEW_ROWS = {
    "distance": [10.0, None, 250.5, 1e5, 0.0, -3.0],
    "stops": [0, 3, 2, 1, 9, 0],
    "label": ["AA", "new", "", "WN", "DL", None],
    "size": ["s", "m", "l", "l", "s", "m"],
    "night": [True, False, "TRUE", "False", True, False],
    "day": ["2000-02-29", "1999-12-31T23:59:59", None, "1900-03-01", "2024-12-31T12:00", "1969-12-31T00:30"],
}
"""Categories and numbers that were not seen, gaps, and the days at which calendars go wrong."""
PARTS = ("year", "month", "day", "weekday", "hour", "minute")
ENCODERS = {
    "inferred": {},
    "one-hot with others": {"label": {"kind": "one_hot", "most": 2, "missing": "own"}, "stops": "one_hot"},
    "one-hot of zeros": {"label": {"kind": "one_hot", "missing": "none", "unseen": "none"}},
    "ordinal": {
        "label": {"kind": "ordinal", "unseen": "other", "missing": "own"},
        "size": {"kind": "ordinal", "order": ["s", "m", "l"]},
        "stops": "min_max",
    },
    "numbers": {
        "distance": {"kind": "log", "negative": "clip", "missing": "indicator"},
        "stops": {"kind": "identity"},
    },
    "quantiles": {
        "distance": {"kind": "quantile", "missing": "median", "quantiles": 7},
        "stops": {"kind": "quantile", "quantiles": 20},
    },
    "parts": {"day": {"kind": "date_parts", "parts": PARTS}, "distance": {"kind": "standardize", "missing": 5}},
    "cycles": {
        "day": {
            "kind": "date_parts",
            "parts": [f"{part}_cycle" for part in PARTS[1:]] + ["year"],
            "missing": "none",
        }
    },
}
"""Encodings by the names of columns; those of the rest are found in the rows."""


def table_network(encoder, architecture="relu", loss="softmax", dtype=np.float32):
    """A network of the table of architectures over the columns of `table`, by encoding: a name above, or a mapping."""
    fitted = TableEncoder(ENCODERS[encoder] if isinstance(encoder, str) else encoder).fit(table())
    hidden, fields = ARCHITECTURES[architecture]
    kind, outputs, labels = LOSSES[loss]
    layers = [Layer(5, "tanh")] if architecture == "residual" else []
    model = MLP(Architecture(fitted.width, (*layers, *hidden, Layer(outputs)), **fields), seed=3, dtype=dtype)
    model.plan, model.labels, model.encoder = Plan(loss=kind), labels, fitted
    return model
