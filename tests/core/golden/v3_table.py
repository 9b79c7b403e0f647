"""How v3_table.npz and v3_table.json were made; a later release writes other bytes, and must still read these.

python tests/core/golden/v3_table.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

from layerwise import (
    MLP,
    Adam,
    Architecture,
    DateParts,
    Hashing,
    Layer,
    MinMax,
    OneHot,
    Ordinal,
    Plan,
    Quantiles,
    TableEncoder,
    fit,
)

ROWS = 120
rng = np.random.default_rng(3)
table = {
    "distance": rng.integers(100, 2500, ROWS).tolist(),
    "delay": [None if i % 11 == 0 else round(x, 1) for i, x in enumerate(rng.exponential(20, ROWS).tolist())],
    "price": rng.lognormal(3, 1, ROWS).round(2).tolist(),
    "share": rng.random(ROWS).round(3).tolist(),
    "seats": rng.integers(50, 300, ROWS).tolist(),
    "carrier": rng.choice(["AA", "DL", "UA", "ç"], ROWS, p=[0.4, 0.3, 0.2, 0.1]).tolist(),
    "size": rng.choice(["small", "mid", "large"], ROWS).tolist(),
    "tail": [f"N{k}" for k in rng.integers(1, 1000, ROWS)],
    "codeshare": (rng.random(ROWS) < 0.3).tolist(),
    "when": [
        f"2013-{month:02}-{day:02}T{hour:02}:30"
        for month, day, hour in rng.integers((1, 1, 0), (13, 29, 24), (ROWS, 3))
    ],
}
encoder = TableEncoder(
    {
        "price": "log",
        "share": Quantiles(quantiles=9),
        "seats": MinMax(missing="median"),
        "carrier": OneHot(most=3, missing="own"),
        "size": Ordinal(order=("small", "mid", "large")),
        "tail": Hashing(buckets=4, missing="none"),
        "when": DateParts(parts=("year", "month_cycle", "weekday", "hour_cycle"), missing="indicator"),
    }
).fit(table)
model = MLP(Architecture(encoder.width, (Layer(6, "tanh"), Layer(2))), seed=3)
model.encoder = encoder
late = ["late" if carrier in {"UA", "ç"} else "on time" for carrier in table["carrier"]]
for _ in fit(model, table, late, plan=Plan(optimizer=Adam(0.02), epochs=20, batch_size=16, seed=3)):
    pass
rows = [{name: values[i] for name, values in table.items()} for i in range(6)]
rows[1] |= {"carrier": None, "seats": None, "tail": None, "when": None}
rows[2] |= {"carrier": "new", "size": "huge", "delay": None}
rows[3] |= {"price": 10**6, "share": 1.5, "when": "2024-02-29T23:59:59+05:00"}
folder = Path(sys.argv[1])
recorded = {
    "sha256": model.save(folder / "v3_table.npz"),
    "rows": rows,
    "names": encoder.names,
    "encoded": encoder.encode(rows, dtype=np.float64).tolist(),
    "outputs": model.outputs(rows).tolist(),
    "predictions": model.predict(rows).tolist(),
}
(folder / "v3_table.json").write_text(json.dumps(recorded, ensure_ascii=False) + "\n")
