"""Tables into numbers: beside scikit-learn's ColumnTransformer, beside an empty Flask view, and in a stream of blocks.

    LAYERWISE_FLIGHTS=FOLDER python -m benchmarks.tables [columns|row|stream]

FOLDER holds flights.csv of nycflights13: 336,776 rows of 19 columns.
"""

import argparse
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from werkzeug.test import EnvironBuilder

from benchmarks.measure import limit_threads, ratio, side_by_side
from layerwise import OneHot, Standardize, TableEncoder

NUMBERS = ["month", "day", "dep_delay", "arr_delay", "air_time", "distance", "hour", "minute"]
CATEGORIES = ["carrier", "origin", "dest"]
BLOCK_ROWS = 10_000
MEGABYTE = 2**20


def layerwise_encoder() -> TableEncoder:
    """Missing numbers become the mean, every category has an output."""
    numbers = {name: Standardize(missing="mean") for name in NUMBERS}
    return TableEncoder(numbers | {name: OneHot(most=1000) for name in CATEGORIES})


def transformer(*, sparse: bool = False) -> ColumnTransformer:
    """The same outputs by scikit-learn."""
    scale = make_pipeline(SimpleImputer(strategy="mean"), StandardScaler())
    return ColumnTransformer(
        [("numbers", scale, NUMBERS), ("categories", OneHotEncoder(sparse_output=sparse), CATEGORIES)]
    )


def compare_columns(flights: pd.DataFrame, rounds: int) -> None:
    """Fitting and encoding all rows of the same DataFrame; a dense table comes out, as a network takes it."""
    table = flights[NUMBERS + CATEGORIES]
    ours, theirs = layerwise_encoder().fit(table).encode(table), transformer().fit_transform(table)
    complete = [j for j in range(ours.shape[1]) if j >= len(NUMBERS) or table[NUMBERS[j]].notna().all()]
    # scikit-learn's deviations count the means that it has filled in
    np.testing.assert_allclose(ours[:, complete], theirs[:, complete], rtol=1e-5, atol=1e-5)
    del ours, theirs
    runs: dict[str, Callable[[], object]] = {
        "ours": lambda: layerwise_encoder().fit(table).encode(table),
        "scikit-learn": lambda: transformer().fit_transform(table),
        "scikit-learn, sparse": lambda: transformer(sparse=True).fit_transform(table),
    }
    seconds = side_by_side(runs, rounds=rounds)
    for name, found in seconds.items():
        share = ratio(seconds, "ours", name)
        print(f"{name:22} {statistics.median(found) * 1e3:7.0f} ms   ours / it {share:.2f}", flush=True)


def compare_row(flights: pd.DataFrame, rounds: int) -> None:
    """One row of ten columns, as JSON gives it, and a view that answers nothing, both without a client."""
    names = ["month", "day", "dep_time", "dep_delay", "distance", "hour", "carrier", "origin", "dest", "time_hour"]
    table = flights[names].dropna()
    encoder = TableEncoder().fit(table)
    row = table.iloc[7]
    rows: list[dict[str, Any]] = [
        {name: row[name].item() if isinstance(row[name], np.generic) else row[name] for name in names}
    ]
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "")
    environment = EnvironBuilder(path="/").get_environ()

    def view() -> None:
        for _ in app(dict(environment), lambda *_: lambda _: None):
            pass

    seconds = side_by_side({"row": lambda: encoder.encode(rows, warnings=[]), "view": view}, rounds=rounds)
    for name, found in seconds.items():
        print(f"{name:22} {statistics.median(found) * 1e6:7.1f} µs", flush=True)
    print(f"row / view             {ratio(seconds, 'row', 'view'):7.2f}", flush=True)


def stream(path: Path) -> None:
    """Memory and time of one pass over the file, and over it four times, block by block."""
    for times in 1, 4:
        tracemalloc.start()
        start = time.perf_counter()
        encoder = TableEncoder({"arr_delay": "quantile"}).fit_blocks(blocks(path, times))
        seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{times} × the file: {peak / MEGABYTE:.1f} MB at most, {seconds:.1f} s traced, {encoder!r}", flush=True)


def blocks(path: Path, times: int) -> Iterator[pd.DataFrame]:
    """All rows of the file, `times` times."""
    for _ in range(times):
        with pd.read_csv(path, chunksize=BLOCK_ROWS) as chunks:
            yield from chunks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("columns", "row", "stream", "all"), default="all")
    parser.add_argument("--data", type=Path, default=os.environ.get("LAYERWISE_FLIGHTS"))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if options.data is None:
        parser.error("say where flights.csv is: --data FOLDER, or LAYERWISE_FLIGHTS")
    limit_threads()
    path = options.data / "flights.csv"
    flights = pd.read_csv(path)
    if options.what in {"columns", "all"}:
        compare_columns(flights, options.rounds)
    if options.what in {"row", "all"}:
        compare_row(flights, options.rounds)
    if options.what in {"stream", "all"}:
        stream(path)


if __name__ == "__main__":
    main()
