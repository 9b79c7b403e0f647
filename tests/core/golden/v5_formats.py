"""How v5_formats.npz and v5_formats.json were made; a later release writes other bytes, and must still read these.

python tests/core/golden/v5_formats.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

from layerwise import (
    MLP,
    Adam,
    Architecture,
    BooleanFormat,
    CategoryFormat,
    DateFormat,
    DateParts,
    HashedWords,
    Layer,
    NumberFormat,
    OneHot,
    Plan,
    Standardize,
    TableEncoder,
    fit,
)

ROWS = 120
rng = np.random.default_rng(5)
table = {
    "price": [f"{number:,.2f} €".translate(str.maketrans(",.", ".,")) for number in rng.lognormal(7, 1, ROWS)],
    "share": [None if i % 7 == 0 else f"{number} %" for i, number in enumerate(rng.integers(0, 100, ROWS))],
    "year": rng.choice(["2007", "2007.0", "2008"], ROWS).tolist(),
    "known": rng.choice(["Ja", "nein", "?"], ROWS).tolist(),
    "late": (rng.random(ROWS) < 0.3).tolist(),
    "when": [
        f"{month}/{day}/{year % 100:02}" for year, month, day in rng.integers((1995, 1, 1), (2015, 13, 29), (ROWS, 3))
    ],
    "at": [
        f"{hour}:{minute:02} {half}"
        for hour, minute, half in zip(
            *rng.integers((1, 0), (13, 60), (ROWS, 2)).T, rng.choice(["AM", "p.m."], ROWS), strict=True
        )
    ],
    "place": rng.choice([" Köln", "Bonn ", "Ulm", "NA"], ROWS).tolist(),
    "title": [f"{rng.choice(['red', 'blue'])} house of {i % 9} rooms, {i}" for i in range(ROWS)],
}
encoder = TableEncoder(
    {"year": OneHot(missing="own"), "when": DateParts(parts=("year", "month", "time_cycle"))}
    | {"title": HashedWords(buckets=8, missing="own"), "share": Standardize(missing="indicator")},
    formats={
        "price": NumberFormat(decimal=",", thousands=".", unit="€"),
        "year": CategoryFormat(numeric=True),
        "known": BooleanFormat(true=("ja",), false=("nein",), gaps=("?",)),
        "when": DateFormat(day_first=False),
    },
).fit(table)
model = MLP(Architecture(encoder.width, (Layer(6, "tanh"), Layer(2))), seed=5)
model.encoder = encoder
dear = ["dear" if len(price) > 9 else "cheap" for price in table["price"]]
for _ in fit(model, table, dear, plan=Plan(optimizer=Adam(0.02), epochs=20, batch_size=16, seed=5)):
    pass
rows = [{name: values[i] for name, values in table.items()} for i in range(6)]
rows[1] |= {
    "price": 1234.5,
    "share": "NA",
    "year": 2007.0,
    "known": 1,
    "late": "no",
    "when": "2012-02-29",
    "at": "23:59:59",
}
rows[2] |= dict.fromkeys(table)
rows[3] |= {"price": "-5", "year": "1999", "known": "JA", "late": "TRUE", "place": "new", "title": "RED HOUSE"}
folder = Path(sys.argv[1])
recorded = {
    "sha256": model.save(folder / "v5_formats.npz"),
    "rows": rows,
    "names": encoder.names,
    "encoded": encoder.encode(rows, dtype=np.float64).tolist(),
    "outputs": model.outputs(rows).tolist(),
    "predictions": model.predict(rows).tolist(),
}
(folder / "v5_formats.json").write_text(json.dumps(recorded, ensure_ascii=False) + "\n")
