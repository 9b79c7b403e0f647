"""A table in memory, ready to become a dataset: the target and the weights of the rows are columns of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from layerwise_client._data.encoder import kinds_of
from layerwise_client._data.names import column_name
from layerwise_client._data.places import Steps, invalid
from layerwise_client._data.table_rows import TableRows
from layerwise_client._data.tables import UncheckedTable, is_table, open_table
from layerwise_client._data.targets import as_array, check_column
from layerwise_client._data.weights import open_weights
from layerwise_client.errors import InvalidRequest
from layerwise_proto.v1 import tables_pb2

if TYPE_CHECKING:
    from layerwise_client._data.rows import Array


@dataclass(frozen=True, slots=True)
class DatasetTable:
    """The rows to send, and the names of the columns with the targets and the weights; "" if there are none.

    `added` maps the name of each column that was added to the argument that its values came from: "y" or "weights".
    """

    rows: TableRows
    target: str
    weight: str
    added: Mapping[str, str]

    def placed(self, error: InvalidRequest) -> InvalidRequest:
        """Return an error about an added column as one about the argument that its values came from."""
        return _placed(error, self.added)


def open_dataset_table(
    X: object,
    y: object,
    weights: object,
    *,
    encoder: tables_pb2.Encoder,
    target: str = "",
    weight: str = "",
    amounts: bool = False,
) -> DatasetTable:
    """Check the arguments of `Client.train`. `y` and `weights` may be names of columns of `X`, values, or None.

    Values become columns called `target` and `weight`; if these are "", by new names. Booleans that are `amounts` to
    predict become 1 and 0. Raises `InvalidRequest`.
    """
    given = X if isinstance(X, UncheckedTable) else as_table(X)
    added: dict[str, str] = {}
    kinds = kinds_of(encoder, given)
    if (named := column_name(y)) is not None:
        given.check_names([named], "y")
        target = named
        values = given.without(named, "y")[1]
    elif y is not None:
        target = target or _new_name(y, "target", given)
        added[target] = "y"
        values = y
    else:
        values = None
    if values is not None:
        array = check_column(values)
        if len(array) != given.count:
            raise InvalidRequest(f"X has {given.count} rows, y has {len(array)}", pointer="y")
        given = replace(given, columns={**given.columns, target: array})
        kinds[target] = ""
    if (named := column_name(weights)) is not None:
        given.check_names([named], "weights")
        weight = named
    elif weights is not None:
        weight = weight or _new_name(weights, "weight", given)
        added[weight] = "weights"
        given = replace(given, columns={**given.columns, weight: open_weights(weights, given.count).values})
    try:
        rows = given.opened(kinds=kinds)
    except InvalidRequest as exc:
        raise _placed(exc, added) from exc
    return DatasetTable(_with_targets(rows, target, amounts) if target else rows, target, weight, added)


def _placed(error: InvalidRequest, added: Mapping[str, str]) -> InvalidRequest:
    match error.place:
        case ("X", int(row), str(column)) if column in added:
            place: Steps = (added[column], row)
        case ("X", str(column)) if column in added:
            place = (added[column],)
        case _:
            return error
    return invalid(place, error.detail, reason=error.reason, request_id=error.request_id)


def fits_one_column(X: UncheckedTable, y: object) -> bool:
    """Return whether `y`, or the column that it names, has a value for each row that a dataset keeps as it is."""
    if (named := column_name(y)) is not None:
        X.check_names([named], "y")
        y = X.values_of(named)
    array = as_array(y, "y")
    return array.ndim == 1 and _are_kept(array)


def as_table(X: object) -> UncheckedTable:
    """Return the columns of a table, or those of an array (n, features), called 0, 1, 2 … Raises `InvalidRequest`."""
    if is_table(X):
        return open_table(X)
    import numpy as np

    from layerwise_client._data.rows import open_rows

    rows = open_rows(X)
    array = np.asarray(rows.take(0, rows.count))  # a matrix would give columns of two dimensions
    return UncheckedTable(rows.count, {str(i): array[:, i] for i in range(rows.features)})


def _new_name(values: object, default: str, given: UncheckedTable) -> str:
    """Return a name for a column of `values`: that of a Series, else `default`, with a number if another has it."""
    from layerwise.tables.names import column_names

    own = getattr(values, "name", None)
    wanted = own if isinstance(own, str) and own.isprintable() and own.strip() else default
    return column_names([*given.columns, wanted])[-1]


def _are_kept(labels: Array) -> bool:
    """Return whether a column of a dataset has these labels as they are.

    It holds no whole numbers beyond 2^53, and takes "True" for the category "true".
    """
    from layerwise.tables.cells import BOOLEANS
    from layerwise_client._data.cells import EXACT

    if labels.dtype.kind in "iu":
        return len(labels) == 0 or (int(labels.max()) <= EXACT and int(labels.min()) >= -EXACT)
    return labels.dtype.kind not in "OUT" or not any(
        each.strip() in BOOLEANS if isinstance(each, str) else type(each) is int and abs(each) > EXACT
        for each in labels.tolist()
    )


def _with_targets(rows: TableRows, target: str, amounts: bool) -> TableRows:
    """Return the rows. Targets that are texts stay labels, such as "1" or "yes"; booleans may be `amounts`, 1 and 0."""
    named = {"": "category"} | ({"boolean": "whole"} if amounts else {})
    types = zip(rows.names, rows.types, strict=True)
    return replace(rows, types=[named.get(kind, kind) if name == target else kind for name, kind in types])
