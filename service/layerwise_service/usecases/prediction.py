"""Use-case of predicting: rows in, labels or values out, by the version that is named."""

from __future__ import annotations

from functools import partial

from layerwise.tables.format import Format
from layerwise_service.domain.models import Signature, SignatureColumn
from layerwise_service.process.counts import COUNTS, LOADED, WAITING
from layerwise_service.process.prediction_request import current_request
from layerwise_service.process.threads import in_thread
from layerwise_service.stores.version_store import ModelUnloaded, VersionNotFound
from layerwise_service.usecases.batching import Batches
from layerwise_service.usecases.loaded_models import LoadedModel, LoadedModels
from layerwise_service.usecases.loaded_version import LoadedVersion, Rows
from layerwise_service.usecases.outputs import USUAL, Prediction, Wanted
from layerwise_service.usecases.registry import ResolvedVersion, VersionResolver


class VersionPredictor:
    """Predicts with any version, and keeps the versions in use loaded."""

    def __init__(
        self, resolver: VersionResolver, models: LoadedModels, *, max_rows: int, max_values: int, slots: int = 1
    ) -> None:
        self.resolver = resolver
        self._models = models
        self._batches = Batches(slots)
        COUNTS.follow(LOADED, self._models.levels)
        COUNTS.follow(WAITING, self._batches.waiting)
        self._max_rows = max_rows
        self._max_values = max_values
        resolver.changed = self._models.keep_only

    def signature(self, *, model: str | None, version: str | int | None) -> Signature:
        """Return what a version takes. `model`, `version` and the errors about them are as for `predict_soon`."""
        found = self.load(model=model, version=version)
        encoder = found.network.encoder
        columns = () if encoder is None else encoder.columns
        return Signature(
            found.model, found.version, tuple(SignatureColumn(column.name, column.kind) for column in columns)
        )

    def formats(self, model: str, version: str) -> dict[str, Format]:
        """Return how the cells of the version's columns are read, by name; empty if it takes rows of numbers.

        `version` is a number, an alias, or "" for the latest. Raises `ModelNotFound`, `VersionNotFound`.
        """
        return self.load(model=model, version=version or None).formats

    def load(self, *, model: str | None, version: str | int | None) -> LoadedVersion:
        """Return the version that `model` and `version` name, which are those of `VersionResolver.resolve`.

        Raises what `resolve` raises, and `DataLoss`.
        """
        try:
            target = self.resolver.resolve(model, version)
        except (ModelUnloaded, VersionNotFound) as error:
            current_request().found(error.model)
            raise
        current_request().found(target.model, target.version)
        return self._loaded(target, self._models.get(target.artifact))

    async def load_soon(self, *, model: str | None, version: str | int | None) -> LoadedVersion:
        """Return what `load` does, while the event loop goes on if that waits for the database or a file."""
        found = self._in_memory(model, version)
        if found is not None:
            return found
        return await in_thread(partial(self.load, model=model, version=version))

    def _in_memory(self, model: str | None, version: str | int | None) -> LoadedVersion | None:
        """Return the version if it is in memory, without a look at the store."""
        target = self.resolver.known(model, version)
        loaded = None if target is None else self._models.kept(target.artifact)
        if target is None or loaded is None:
            return None
        current_request().found(target.model, target.version)
        return self._loaded(target, loaded)

    def _loaded(self, target: ResolvedVersion, loaded: LoadedModel) -> LoadedVersion:
        name = target.model, target.version
        version: LoadedVersion | None = loaded.made.get(name)
        if version is None:
            most = max(1, min(self._max_rows, self._max_values // loaded.network.architecture.outputs))
            version = LoadedVersion(*name, loaded.network, most, self._batches)
            loaded.made[name] = version
        return version

    async def predict_soon(
        self,
        rows: Rows,
        *,
        model: str | None,
        version: str | int | None,
        at: str = "instances",
        wanted: Wanted = USUAL,
        explain: bool = False,
    ) -> Prediction:
        """Predict `rows`: (n, inputs) numbers, or a table if the version takes one.

        `model` and `version` are as for `load`; `at` names the rows in errors. With `explain` the prediction has
        contributions.

        Raises `InvalidRequest` with the row, and the column, that is wrong, `TooLarge`, and what `load` raises.

        What takes long is done in a thread while the event loop goes on.
        """
        found = await self.load_soon(model=model, version=version)
        return await found.predict_soon(rows, at=at, wanted=wanted, explain=explain)
