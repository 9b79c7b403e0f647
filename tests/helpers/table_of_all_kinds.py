"""A table with a column for every encoding."""

import numpy as np

from layerwise import DateParts, Hashing, Log, OneHot, Ordinal, Quantiles, TableEncoder

RNG = np.random.default_rng(0)
COLUMNS = {
    "standardize": "standardize",
    "min_max": "min_max",
    "quantile": Quantiles(quantiles=20, missing="median"),
    "log": Log(missing=3.0, negative="clip"),
    "identity": "identity",
    "one_hot": OneHot(most=2, missing="own"),
    "ordinal": Ordinal(unseen="other", missing="none"),
    "hashing": Hashing(buckets=5, missing="own"),
    "date": DateParts(parts=("year", "month", "day", "weekday_cycle", "hour_cycle", "minute"), missing="indicator"),
    "flag": OneHot(unseen="none"),
}
NUMBERS = ("standardize", "min_max", "quantile", "log", "identity")
TEXTS = ("one_hot", "ordinal", "hashing")
TABLE = (
    {name: [*RNG.exponential(50, 60).round(1).tolist(), None, 3, 3, 3] for name in NUMBERS}
    | {name: ["a", "b", "c", "a"] * 16 for name in TEXTS}
    | {"date": ["2013-01-01", "2014-06-30T10:15"] * 31 + [None, "2020-02-29"], "flag": [True, False] * 32}
)
ENCODER = TableEncoder(COLUMNS).fit(TABLE)
