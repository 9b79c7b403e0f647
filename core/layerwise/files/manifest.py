"""The manifest of a model file: everything but its arrays, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from layerwise.checks import choice, counted, fields, real_number, shown
from layerwise.data.labels import Label, checked_labels
from layerwise.errors import CorruptModel, InvalidInput, Place, within
from layerwise.network.architecture import Architecture
from layerwise.network.target_scale import TargetScale
from layerwise.optimizers.saved_state import PREFIX, KeptOptimizer, kept_optimizer_from_json
from layerwise.plan import Plan
from layerwise.tables import TableEncoder, checked_encoder
from layerwise.types import Floats

FORMAT_VERSION = 5
"""The version that is written; all versions from 1 on can be read."""
DTYPES = ("float32", "float64")
FIELDS = ("format_version", "architecture", "dtype", "plan", "loss", "labels", "metrics", "lineage", "versions")
LATER_FIELDS = {"preprocessing": 3}
"""Further required fields, with the format version that introduced them."""
OPTIONAL_FIELDS = {"optimizer": 3, "target_scale": 4, "average_row": 5}
"""Further optional fields, with the format version that introduced them."""
FIRST_TO_STANDARDIZE = 4
"""The first format version whose plans have `standardize_targets`; in older files it is false."""


@dataclass(frozen=True, slots=True)
class ModelContents:
    """Contents of a model file; `arrays` are those of the network, by the names of `member_shapes`."""

    architecture: Architecture
    dtype: np.dtype[Any]
    plan: Plan | None
    labels: tuple[Label, ...] | None
    metrics: dict[str, float]
    lineage: dict[str, Any]
    arrays: Mapping[str, Floats]
    encoder: TableEncoder | None = None
    optimizer: KeptOptimizer | None = None
    target_scale: TargetScale | None = None
    average_row: tuple[float, ...] | None = None

    @property
    def members(self) -> dict[str, Floats]:
        """All arrays of the file by name: the network's and those of the optimiser's state."""
        vectors = self.optimizer.vectors if self.optimizer else {}
        return {**self.arrays, **{PREFIX + name: vector for name, vector in vectors.items()}}


def encode(contents: ModelContents) -> bytes:
    """Return the manifest of `contents`. Raises InvalidInput if metrics or lineage are not JSON."""
    plan, labels = contents.plan, contents.labels
    document: dict[str, object] = {
        "format_version": FORMAT_VERSION,
        "architecture": contents.architecture.to_json(),
        "dtype": contents.dtype.name,
        "preprocessing": contents.encoder.to_json() if contents.encoder else None,
        "plan": plan.to_json() if plan else None,
        "loss": plan.loss.kind if plan else None,
        "labels": list(labels) if labels is not None else None,
        "metrics": {name: real_number(Place("metrics", name), value) for name, value in contents.metrics.items()},
        "lineage": contents.lineage,
        "versions": {"layerwise": installed_version(), "numpy": np.__version__},
    }
    if contents.optimizer is not None:
        document["optimizer"] = contents.optimizer.to_json()
    if contents.target_scale is not None:
        document["target_scale"] = contents.target_scale.to_json()
    if contents.average_row is not None:
        document["average_row"] = _row(contents.average_row, contents.architecture.inputs)
    try:
        return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("lineage", f"expected JSON values: {error}") from error


def decode(text: bytes) -> ModelContents:
    """Return the contents that the manifest `text` describes, without arrays. Raises CorruptModel."""
    try:
        document: object = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        json.dumps(document, ensure_ascii=False).encode()  # refuse lone surrogates, which could not be saved again
    except (ValueError, RecursionError) as error:
        raise CorruptModel(f"manifest: expected JSON: {error}") from error
    version = _version(document)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= FORMAT_VERSION:
        if isinstance(version, int) and version > FORMAT_VERSION:
            reads = f"this release reads up to {FORMAT_VERSION}; a later release of Layerwise wrote the file"
            raise CorruptModel(f"manifest: format version {shown(version)}, {reads}")
        raise CorruptModel(f"manifest: expected format version 1 to {FORMAT_VERSION}, got {shown(version)}")
    try:
        known = (*FIELDS, *(field for field, first in LATER_FIELDS.items() if version >= first))
        optional = (field for field, first in OPTIONAL_FIELDS.items() if version >= first)
        given = fields("", document, known=(*known, *optional), required=known)
        if version < FIRST_TO_STANDARDIZE and isinstance(given["plan"], dict):
            given["plan"] = {"standardize_targets": False} | given["plan"]
        return _contents(given)
    except InvalidInput as error:
        raise CorruptModel(f"manifest: {error}") from error


def _contents(given: Mapping[str, object]) -> ModelContents:
    with within("architecture"):
        architecture = Architecture.from_json(given["architecture"])
    plan = None
    if given["plan"] is not None:
        with within("plan"):
            plan = Plan.from_json(given["plan"])
    if given["loss"] != (plan.loss.kind if plan else None):
        raise InvalidInput("loss", f"expected the loss of the plan, got {shown(given['loss'])}")
    encoder = None
    if given.get("preprocessing") is not None:
        with within("preprocessing"):
            encoder = checked_encoder(TableEncoder.from_json(given["preprocessing"]), architecture.inputs)
    optimizer = None
    if "optimizer" in given:
        with within("optimizer"):
            optimizer = kept_optimizer_from_json(given["optimizer"])
    target_scale = None
    if "target_scale" in given:
        with within("target_scale"):
            target_scale = TargetScale.from_json(given["target_scale"], architecture.outputs)
    average_row = _row(given["average_row"], architecture.inputs) if "average_row" in given else None
    labels = given["labels"]
    if labels is not None and not isinstance(labels, list):
        raise InvalidInput("labels", f"expected a list or null, got {shown(labels)}")
    metrics, lineage = (_mapping(name, given[name]) for name in ("metrics", "lineage"))
    for name, version in _mapping("versions", given["versions"]).items():
        if not isinstance(version, str):
            raise InvalidInput(Place("versions", name), f"expected text, got {shown(version)}")
    return ModelContents(
        architecture=architecture,
        dtype=np.dtype(choice("dtype", given["dtype"], DTYPES)),
        plan=plan,
        labels=None if labels is None else checked_labels(cast(list[object], labels), architecture.outputs),
        metrics={name: real_number(Place("metrics", name), value) for name, value in metrics.items()},
        lineage=lineage,
        arrays={},
        encoder=encoder,
        optimizer=optimizer,
        target_scale=target_scale,
        average_row=average_row,
    )


def _row(value: object, inputs: int) -> tuple[float, ...]:
    given = cast("list[object] | tuple[object, ...]", value)
    if not isinstance(value, list | tuple) or len(given) != inputs:
        raise InvalidInput("average_row", f"expected {counted(inputs, 'number')}, got {shown(given)}")
    return tuple(real_number(Place("average_row", i), number) for i, number in enumerate(given))


def _version(document: object) -> object:
    return cast(dict[str, object], document).get("format_version") if isinstance(document, dict) else None


def _mapping(pointer: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(pointer, f"expected an object, got {shown(value)}")
    return cast(dict[str, Any], value)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field occurs twice")
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def installed_version() -> str:
    """Return the installed version of Layerwise, or "unknown"."""
    from importlib import metadata  # noqa: PLC0415 - it takes 7 ms

    try:
        return metadata.version("layerwise")
    except metadata.PackageNotFoundError:  # imported from a source tree that was never installed
        return "unknown"
