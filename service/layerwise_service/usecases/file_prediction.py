"""Use-case of predicting the rows of a dataset, or of a file that is read for that alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from layerwise.tables import TextFormat
from layerwise_service.domain.table_datasets import DatasetColumn
from layerwise_service.domain.targets import TrueValues
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.loaded_version import LoadedVersion
from layerwise_service.usecases.outputs import USUAL, Wanted
from layerwise_service.usecases.prediction import VersionPredictor
from layerwise_service.usecases.registry import Registry
from layerwise_service.usecases.table_prediction import PredictedTable, TablePrediction, check_column

LARGER_FILES = "send larger files with `layerwise predict`, or as a dataset to be predicted over gRPC"


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """A request to predict the rows of a dataset.

    `keep` are columns to return; `target` is that of the true values, or "".
    """

    dataset: str
    model: str | None
    version: str | None
    keep: tuple[str, ...] = ()
    target: str = ""
    explain: bool = False


class FilePredictor:
    """Predicts tables."""

    def __init__(
        self, predictor: VersionPredictor, registry: Registry, datasets: Datasets, artifacts: ArtifactStore
    ) -> None:
        self._predictor = predictor
        self._registry = registry
        self._datasets = datasets
        self._artifacts = artifacts

    def predict(self, request: DatasetRequest) -> TablePrediction:
        """Return the prediction of a dataset, whose blocks are made as they are read.

        Raises `DatasetNotFound`, `InvalidRequest`, and what `VersionPredictor.load` raises.
        """
        version = self._predictor.load(model=request.model, version=request.version)
        dataset = self._datasets.get(request.dataset, pointer="dataset")
        truth = None
        if request.target:
            columns = {column.name: column for column in dataset.columns}
            check_column(request.target, columns, "target")
            truth = self._truth(version, columns[request.target])
        self._artifacts.open_table(dataset)  # is it undamaged?
        block = partial(self._artifacts.table_rows, dataset)
        return TablePrediction(
            version,
            dataset.columns,
            dataset.rows,
            block,
            keep=request.keep,
            truth=truth,
            explain=request.explain,
            doubts=dataset.doubts,
        )

    def predict_file(
        self,
        chunks: Iterable[bytes],
        *,
        model: str | None,
        version: str | None,
        keep: Sequence[str],
        wanted: Wanted = USUAL,
        explain: bool = False,
    ) -> PredictedTable:
        """Return the predictions for the rows of a file, which is read as the version reads cells, and not stored.

        Columns that are kept, and that the version does not take, are kept as they are in the file. Raises `TooLarge`
        for a larger file than one prediction may have, and what `predict` and `Datasets.opened` raise.
        """
        found = self._predictor.load(model=model, version=version)
        choices = ReadingChoices(known=dict.fromkeys(filter(None, keep), TextFormat()) | found.formats)
        most = found.most_explained if explain else found.most_rows
        try:
            with self._datasets.opened(chunks, choices, max_rows=most) as (table, stored):
                return TablePrediction(
                    found,
                    table.columns,
                    table.rows,
                    stored.block,
                    keep=keep,
                    wanted=wanted,
                    explain=explain,
                    doubts=table.doubts,
                ).whole()
        except TooLarge as error:
            if error.reason not in ("TOO_MANY_ROWS", "DATASET_TOO_LARGE"):
                raise
            detail = error.detail
            if explain and error.reason == "TOO_MANY_ROWS":
                detail += " than are explained at once"
            raise TooLarge(f"{detail}; {LARGER_FILES}", reason=error.reason) from error

    def _truth(self, version: LoadedVersion, target: DatasetColumn) -> TrueValues:
        network = version.network
        if not network.is_classifier and network.architecture.outputs > 1:
            detail = f"expected a model with one value a row, {version.model} has {network.architecture.outputs}"
            raise InvalidRequest(detail, pointer="target")
        source = self._registry.source(version.model, version.version)
        form = source.target_format if source is not None and source.target == target.name else None
        return TrueValues(target, network.labels if network.is_classifier else None, form)
