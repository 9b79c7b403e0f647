"""The argument `validation` of `Client.train` with rows in memory: which rows are held out, checked like the others."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from layerwise_client._data.columns import open_values
from layerwise_client._data.encoder import kinds_of
from layerwise_client._data.names import column_name
from layerwise_client._data.places import invalid
from layerwise_client._data.rows import NumberRows, open_rows
from layerwise_client._data.table_rows import TableRows
from layerwise_client._data.tables import UncheckedTable, is_table, listed, open_table
from layerwise_client._data.training_data import TrainingData, open_training_data
from layerwise_client.dataset import Dataset
from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import counted
from layerwise_proto.v1 import tables_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise_client._data.cells import Cell
    from layerwise_client._data.targets import TargetValues

    Values = npt.NDArray[np.float64] | list[str] | list[Cell]


def open_parts(
    X: object,
    y: object,
    weights: object,
    validation: object,
    *,
    encoder: tables_pb2.Encoder,
    loss: str | None,
    classification: bool | None,
    fitted: bool,
) -> tuple[TrainingData, ...]:
    """Check the arguments of `Client.train`; return the rows to train on and, if `validation` is not None, to hold out.

    The others are those of `open_training_data`. Raises `InvalidRequest`.
    """
    marks: object = None
    rows = X
    y = column_name(y) or y if is_table(X) else y
    if _is_name_or_file(validation):
        name = column_name(validation)
        if name is None or not is_table(X) or name not in (table := open_table(X)).columns:
            detail = "expected rows in memory, as those to train on, or the name of a column of X that marks rows"
            raise _invalid(f"{detail}, got {validation!r}")
        rows, marks = table.without(name, "validation")
    data = open_training_data(
        rows, y, weights, encoder=encoder, loss=loss, classification=classification, fitted=fitted
    )
    if validation is None:
        return (data,)
    if marks is not None:
        return _parts_by_marks(data, cast("str", validation), marks)
    return data, _open_held_out(validation, y, data, encoder=encoder, loss=loss, fitted=fitted)


def _is_name_or_file(validation: object) -> bool:
    return isinstance(validation, str | os.PathLike | Dataset)


def parts_of(validation: object, y: object) -> tuple[object, object, object]:
    """Return the rows, the targets and the weights in (x, y), (x, y, weights), or a table with the column `y`."""
    if isinstance(validation, tuple):
        given = cast("tuple[object, ...]", validation)
        if len(given) not in (2, 3):
            raise _invalid(f"expected (x, y) or (x, y, weights), got a tuple of {len(given)}")
        return given[0], given[1], given[2] if len(given) == 3 else None
    if not isinstance(y, str) or not is_table(validation):
        raise _invalid(f"expected (x, y), rows and their targets, got {type(validation).__name__}")
    return validation, y, None


def about_validation(error: InvalidRequest) -> InvalidRequest:
    """Return an error about X, y or weights as one about those of `validation`."""
    place = ("validation", *error.place)
    return InvalidRequest(
        f"validation: {error}", reason=error.reason, pointer=place, request_id=error.request_id, detail=error.detail
    )


def _open_held_out(
    validation: object,
    y: object,
    trained: TrainingData,
    *,
    encoder: tables_pb2.Encoder,
    loss: str | None,
    fitted: bool,
) -> TrainingData:
    """Check the rows to hold out against those `trained` on: the same columns and targets. Raises `InvalidRequest`.

    Columns that the encoder ignores may be missing.
    """
    X, own_y, weights = parts_of(validation, y)
    try:
        rows: TableRows | NumberRows
        if isinstance(trained.rows, TableRows):
            rows, own_y = _open_table_like(trained.rows, X, own_y, encoder, fitted=fitted)
        else:
            rows = _open_rows_like(trained.rows, X)
        data = open_training_data(
            rows,
            own_y,
            weights,
            encoder=encoder,
            loss=loss,
            classification=trained.targets.classification,
            fitted=True,
        )
        _check_targets(data, trained)
    except InvalidRequest as exc:
        raise about_validation(exc) from exc
    return data


def _parts_by_marks(data: TrainingData, name: str, values: object) -> tuple[TrainingData, TrainingData]:
    """Return the rows to train on, and those that the column `name` marks. Raises `InvalidRequest`."""
    import numpy as np

    marks = open_values(name, values, data.rows.count, kind=None).take(0, data.rows.count)
    if isinstance(marks, list):
        raise _invalid(f"expected a column of 1 and 0, or of booleans, {name!r} has others, such as {marks[0]!r}")
    if (wrong := (marks != 0) & (marks != 1)).any():
        place = ("X", int(np.argmax(wrong)), name)
        raise invalid(place, f"expected 1 for a row to hold out and 0 for the others, got {marks[wrong][0]:g}")
    sent = np.ones(data.rows.count, np.bool_) if data.sent is None else data.sent
    parts = replace(data, sent=sent & (marks == 0)), replace(data, sent=sent & (marks == 1))
    for part, which in zip(parts, ("to train on", "that is held out"), strict=True):
        if not part.count:
            raise _invalid(f"by the column {name!r}, there is no row {which} that has a target")
    return parts


def _open_table_like(
    trained: TableRows, X: object, y: object, encoder: tables_pb2.Encoder, *, fitted: bool
) -> tuple[TableRows, object]:
    """Return the columns of `X` that `trained` has, in its order and stored as there, and the values of `y`."""
    if not is_table(X):
        raise invalid("X", f"expected a table with the columns {listed(trained.names)}, got {type(X).__name__}")
    given = open_table(X)
    if isinstance(y, str):
        given, y = given.without(y, "y")
    if lacking := [name for name in trained.names if name not in given.columns and name not in encoder.ignore]:
        detail = f"there is no column {lacking[0]!r}, which the rows to train on have; the columns are"
        raise invalid("X", f"{detail} {listed(given.columns)}")
    columns = {name: given.columns.get(name, [None] * given.count) for name in trained.names}
    table = UncheckedTable(given.count, columns)
    own = table.opened(kinds={} if fitted else kinds_of(encoder, table))
    wanted, found = _stored(trained), _stored(own)
    empty = [i for i in range(len(wanted)) if wanted[i] != found[i]]  # a column of gaps alone has no type
    for i in empty:
        values = own.take(0, own.count)[i]
        example = next((value for value in values if value == value and value != ""), None)  # noqa: PLR0124 – NaN
        if example is not None:
            detail = f"expected {wanted[i]}, as in the rows to train on, got {found[i]}, such as {example}"
            raise invalid(("X", own.names[i]), detail)

    def take(start: int, stop: int) -> list[Values]:
        block: list[Values] = list(own.take(start, stop))
        for i in empty:
            block[i] = _gaps(wanted[i], stop - start)
        return block

    return TableRows(own.count, own.names, take, trained.types), y


def _stored(rows: TableRows) -> list[str]:
    """Return what each column holds: "texts", "booleans" or "numbers"."""
    values = zip(rows.take(0, 1), rows.types, strict=True)
    return [
        "texts" if isinstance(each, list) else "booleans" if type_ == "boolean" else "numbers" for each, type_ in values
    ]


def _gaps(stored: str, count: int) -> Values:
    import numpy as np

    return [""] * count if stored == "texts" else np.full(count, np.nan)


def _open_rows_like(trained: NumberRows, X: object) -> NumberRows:
    if is_table(X):
        raise invalid("X", "expected rows of numbers, as those to train on, got a table")
    rows = open_rows(X)
    if rows.features != trained.features:
        raise invalid("X", f"expected rows of {trained.features} numbers, as those to train on, got {rows.features}")
    return rows


def _check_targets(data: TrainingData, trained: TrainingData) -> None:
    own, others = data.targets, trained.targets
    if own.classification is not others.classification or own.outputs != others.outputs:
        detail = f"expected {_target_words(others)}, as of the rows to train on, got {_target_words(own)}"
        raise invalid("y", detail)
    numbers = ("integer", "number")
    if own.classification and own.kind != others.kind and not (own.kind in numbers and others.kind in numbers):
        raise invalid("y", f"expected labels of type {others.kind}, as of the rows to train on, got {own.kind}")
    if (data.weights is None) is not (trained.weights is None):
        wanted, got = ("none", "some") if trained.weights is None else ("(x, y, weights)", "none")
        raise invalid("weights", f"expected {wanted}, as for the rows to train on, got {got}")


def _target_words(targets: TargetValues) -> str:
    return "a label in each row" if targets.classification else counted(targets.outputs, "number") + " in each row"


def _invalid(detail: str) -> InvalidRequest:
    return invalid("validation", detail)
