"""A request to train on a dataset: which columns it leaves out, and whether its columns fit the dataset."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from layerwise.checks import shown
from layerwise_service.domain.job_notes import NO_NOTES, Notes
from layerwise_service.domain.jobs import JSONObject, Task
from layerwise_service.domain.table_datasets import DatasetColumn, TableDataset
from layerwise_service.domain.tables import listed
from layerwise_service.errors import InvalidRequest
from layerwise_service.usecases.table_prediction import check_column


@dataclass(frozen=True, slots=True)
class DatasetJob:
    """A request to train on a dataset. `weight` may be "", `task` None: decided from the target's values.

    Rows may be held out by `validation_dataset`, by `validation_column` or by the plan's fraction, "" if they are not.
    """

    model: str
    dataset: str
    target: str
    architecture: JSONObject
    plan: JSONObject
    ignore: tuple[str, ...] = ()
    weight: str = ""
    task: Task | None = None
    encoder: JSONObject | None = None
    request_id: str | None = None
    start_from: tuple[str, str] | None = None
    validation_dataset: str = ""
    validation_column: str = ""
    notes: Notes = NO_NOTES


def left_out(request: DatasetJob, dataset: TableDataset, known: Collection[str]) -> list[str]:
    """Return the columns that are left out unless the caller chose them: those without any value, and indexes.

    `known` are the columns of the version to start from.
    """
    encoder: Any = request.encoder or {}
    chosen = {
        *(request.target, request.weight, request.validation_column, *request.ignore, *known),
        *(*encoder.get("columns", ()), *encoder.get("formats", ())),
    }
    unused = [each.name for each in dataset.columns if each.gaps == dataset.rows or each.is_index]
    return [name for name in unused if name not in chosen]


def check_columns(request: DatasetJob, columns: Mapping[str, DatasetColumn], unasked: Collection[str]) -> None:
    """Raise `InvalidRequest` unless the dataset has the columns that are named, of kinds that fit, and one to learn.

    The columns `unasked` are left out, too.
    """
    named = [("target", request.target), *(("ignore", name) for name in request.ignore)]
    if request.weight:
        named.append(("weight", request.weight))
    if request.validation_column:
        named.append(("validation_column", request.validation_column))
    for pointer, name in named:
        check_column(name, columns, pointer)
    names = [name for _, name in named]
    if len(set(names)) < len(names):
        pointer, twice = next(each for i, each in enumerate(named) if each[1] in names[:i])
        detail = f"expected different columns as target, as weight, to mark rows and to ignore, {shown(twice)} is two"
        raise InvalidRequest(detail, pointer=pointer)
    if request.weight and (kind := columns[request.weight].kind) != "number":
        raise InvalidRequest(
            f"expected a column of numbers, {request.weight!r} is one of kind {kind}", pointer="weight"
        )
    if (column := request.validation_column) and columns[column].kind not in ("number", "boolean"):
        detail = f"expected a column of 1 and 0, or of booleans, {column!r} is one of kind {columns[column].kind}"
        raise InvalidRequest(detail, pointer="validation_column")
    own = [name for name in ("validation_dataset", "validation_column") if getattr(request, name)]
    if own and request.plan.get("validation"):
        own.append("plan.validation")
    if len(own) > 1:
        raise InvalidRequest(f"expected one way to hold rows out, got {' and '.join(own)}", pointer=own[0])
    if len(names) + len(unasked) == len(columns):
        detail = f"expected a column to learn from besides {listed((*names, *unasked))}, there is none"
        if index := next((name for name in unasked if columns[name].is_index), None):
            detail = f"{detail}; {shown(index)} numbers the rows: to learn from it, choose its kind or an encoding"
        raise InvalidRequest(detail, pointer="ignore" if request.ignore else "target")
