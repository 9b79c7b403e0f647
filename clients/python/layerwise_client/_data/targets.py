"""Labels or targets of rows, checked and read in blocks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from layerwise_client._data.masks import refuse_masked
from layerwise_client._data.places import invalid
from layerwise_client._data.rows import tensor, to_float32
from layerwise_client._data.task import are_classes, taken_by
from layerwise_client.errors import InvalidRequest
from layerwise_client.outcome import level_of_caller
from layerwise_proto.v1 import tensors_pb2, training_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = np.ndarray[Any, np.dtype[Any]]
    Chosen = slice | npt.NDArray[np.bool_]

TargetKind = Literal["integer", "string", "boolean", "number"]
Label = int | str | bool

_BY_DTYPE: dict[str, TargetKind] = {
    "i": "integer",
    "u": "integer",
    "b": "boolean",
    "U": "string",
    "T": "string",
    "f": "number",
}


@dataclass(frozen=True, slots=True)
class TargetValues:
    """Labels of `count` rows, of the type `kind`; targets if `classification` is False.

    `take(start, stop)` returns the labels (rows,) or targets, (rows,) or (rows, outputs), of these rows.
    """

    count: int
    take: Callable[[int, int], Array]
    kind: TargetKind
    classification: bool
    outputs: int = 1

    def fill(self, batch: training_pb2.TrainBatch, start: int, stop: int, chosen: Chosen = slice(None)) -> None:
        """Put the `chosen` of the rows `start` to `stop` into `batch`.

        Raises `InvalidRequest` with the row that is wrong.
        """
        block = self.take(start, stop)
        if self.classification:
            batch.labels.CopyFrom(_labels(block[chosen], self.kind, "y", chosen_rows(start, stop, chosen)))
        else:
            batch.targets.CopyFrom(tensor(to_float32(block, "y", first_row=start)[chosen]))


def chosen_rows(start: int, stop: int, chosen: Chosen) -> Sequence[int]:
    """Return the numbers of the `chosen` rows from `start` to `stop`."""
    import numpy as np

    rows = range(start, stop)
    return rows if isinstance(chosen, slice) else cast("list[int]", np.array(rows)[chosen].tolist())


def split_gaps(y: object) -> tuple[object, npt.NDArray[np.bool_] | None]:
    """Return `y` with another value in each row that has none, and which rows have one; None if all have.

    A row of several targets has none if all of them are missing. Raises `InvalidRequest` if all rows are so.
    """
    import numpy as np

    from layerwise.tables.cells import is_missing

    if isinstance(y, TargetValues):
        return y, None
    array = as_array(y, "y")
    if array.dtype.kind == "f":
        missing = np.isnan(array)
    elif array.dtype.kind in "OUT":
        missing = np.array([is_missing(value) for value in array.flat], np.bool_).reshape(array.shape)
    else:
        return array, None
    there = cast("npt.NDArray[np.bool_]", np.any(~missing.reshape(len(array), -1), axis=1))
    if there.all():
        return array, None
    if not there.any():
        raise InvalidRequest("y: expected a label or a number in at least one row, all are missing", pointer="y")
    filled = array.copy()
    filled[~there] = array[int(np.argmax(there))]
    return filled, there


def check_column(y: object) -> Array:
    """Return `y`, (n,), as an array. Raises `InvalidRequest` unless it has labels or numbers, of one type."""
    array = as_array(y, "y")
    present = as_array(split_gaps(array)[0], "y")
    if _kind(present, "y") == "string":
        _warn_of_blanks("y", set(map(str, present.tolist())))
    return array


def _warn_of_blanks(name: str, labels: Iterable[str]) -> None:
    if padded := next((text for text in labels if text != text.strip()), ""):
        told = f"{name}: blanks before and after labels are left out, as in {padded!r}"
        warnings.warn(told, stacklevel=level_of_caller())


def open_targets(
    y: object, loss: str | None, *, classification: bool | None = None, by_values: bool = True
) -> TargetValues:
    """Open `y`. The loss of this name, or `classification`, decides whether it holds labels or targets.

    Without either, texts and booleans (n,) are labels, and so are few different whole numbers (n,), also those of
    floats; other numbers, and anything two-dimensional, are targets. If that is not what their type says, a warning
    does. Unless `by_values`, the type alone decides: integers are labels, floats are targets. A column (n, 1) of
    texts holds labels, and so does any column (n, 1) with a loss of labels. Whole numbers or booleans in one column
    (n, 1), or one-hot, could be either and are refused without a loss. Sigmoid cross-entropy takes labels (n,), or
    flags (n, outputs) as targets.
    """
    if isinstance(y, TargetValues):
        return y
    array = as_array(y, "y")
    kind = _kind(array, "y")
    if array.ndim not in (1, 2):
        raise InvalidRequest(f"y: expected (n,) or (n, outputs), got shape {array.shape}", pointer="y")
    takes = taken_by(loss, classification)
    if array.ndim == 2 and array.shape[1] == 1 and (kind == "string" or takes == "classes"):
        array = array[:, 0]  # such as a DataFrame of one column
    if loss is None and array.ndim == 2 and kind in ("integer", "boolean"):
        _refuse_labels_in_columns(array, kind)
    if takes == "flags" and array.ndim == 2 and array.shape[1] == 1:
        wanted = "labels (n,), or flags (n, outputs) in several columns"
        detail = f"y: {loss} expects {wanted}, got shape {array.shape}; pass y.ravel() for labels"
        raise InvalidRequest(detail, reason="AMBIGUOUS_TARGET", pointer="y")
    if takes is None:
        classification = array.ndim == 1 and kind != "number"
        if array.ndim == 1 and kind in ("integer", "number") and by_values:
            classification = are_classes(array, kind)
    else:
        classification = takes == "classes" or (takes == "flags" and array.ndim == 1)
    if array.ndim == 2 and (classification or (kind == "string" and loss is None)):
        raise InvalidRequest(f"y: expected one label a row, (n,), got shape {array.shape}", pointer="y")
    if not classification and kind == "string":
        raise invalid(("y", 0), f"expected a number, got {str(array.flat[0])!r}")
    outputs = 1 if array.ndim == 1 else int(array.shape[1])
    return TargetValues(len(array), lambda start, stop: array[start:stop], kind, classification, outputs)


def _refuse_labels_in_columns(array: Array, kind: TargetKind) -> None:
    """Raise an error for an array (n, outputs) that may hold labels: one column, or a single 1 in each row."""
    if array.shape[1] == 1:
        what, labels = f"one column of {kind} values", "y.ravel()"
    elif ((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all():
        what, labels = "one-hot rows", "y.argmax(axis=1)"
    else:
        return
    raise InvalidRequest(
        f'y: {what}, shape {array.shape}, could be labels or targets; pass {labels} for labels, or task="regression"',
        reason="AMBIGUOUS_TARGET",
        pointer="y",
    )


def labels_message(values: Iterable[Label], name: str) -> tensors_pb2.Labels:
    """Return a list of labels, such as the declared classes, as a message. Raises `InvalidRequest`."""
    if not hasattr(values, "__iter__"):
        raise InvalidRequest(f"{name}: expected a list of labels, got {type(values).__name__}", pointer=name)
    array = as_array(values if isinstance(values, Sequence) else list(values), name)
    return _labels(array, _kind(array, name), name, range(len(array)))


def labels_of(message: tensors_pb2.Labels) -> list[Label]:
    """Return the labels in a message as Python values."""
    kind = message.WhichOneof("kind")
    if kind == "integers":
        return list(message.integers.values)
    if kind == "strings":
        return list(message.strings.values)
    return list(message.booleans.values)


def labels_array(labels: Sequence[Label]) -> Array:
    """Return labels as an int64, str or bool array."""
    import numpy as np

    integers = bool(labels) and isinstance(labels[0], int) and not isinstance(labels[0], bool)
    return np.array(labels, dtype=np.int64) if integers else np.array(labels)


def as_array(y: object, name: str) -> Array:
    """Return values, an array or a sequence, as an array; those of a list keep their types."""
    import numpy as np

    refuse_masked(y, name)
    if hasattr(y, "to_pylist"):  # Arrow, whose arrays of texts NumPy cannot take
        y = cast(Any, y).to_pylist()
    if hasattr(y, "to_numpy"):  # pandas
        series = cast(Any, y)
        nullable = hasattr(getattr(series, "dtype", None), "na_value") and series.dtype.kind in "iub"
        # whole numbers beside gaps stay whole: NumPy would make floats of them
        return cast("Array", series.to_numpy(dtype=object) if nullable and series.isna().any() else series.to_numpy())
    if isinstance(y, str | bytes) or not isinstance(y, Sequence):
        array = cast("Array", np.asarray(cast(Any, y)))
        if array.ndim == 0:
            raise InvalidRequest(f"{name}: expected one value a row, got {type(y).__name__}", pointer=name)
        return array
    values: Sequence[Any] = cast(Any, y)
    if values and hasattr(values[0], "__len__") and not isinstance(values[0], str | bytes):
        try:
            return cast("Array", np.asarray(values))
        except ValueError as exc:
            raise InvalidRequest(f"{name}: expected rows of equal length", pointer=name) from exc
    # As objects, since NumPy would convert mixed values to one type, and numbers to text.
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def _kind(array: Array, name: str) -> TargetKind:
    import numpy as np

    if array.dtype.kind != "O":
        if array.dtype.kind not in _BY_DTYPE:
            raise InvalidRequest(f"{name}: expected labels or numbers, got {array.dtype}", pointer=name)
        return _BY_DTYPE[array.dtype.kind]
    kinds: set[TargetKind] = set()
    for index, value in np.ndenumerate(array):
        row = index[0]
        kind = _kind_of(value)
        if kind is None:
            raise _wrong(name, row, "expected a label or a number", value)
        kinds.add(kind)
        if len(kinds) > 1 and not kinds <= {"integer", "number"}:
            raise _wrong(name, row, f"expected only {min(kinds - {kind})} values", value)
    return "number" if "number" in kinds or not kinds else kinds.pop()


def _kind_of(value: object) -> TargetKind | None:
    import numpy as np

    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, int | np.integer):
        return "integer"
    if isinstance(value, str):
        return "string"
    if isinstance(value, float | np.floating) and value == value:  # noqa: PLR0124 – not NaN, which stands for missing in pandas
        return "number"
    return None


def _labels(block: Array, kind: TargetKind, name: str, rows: Sequence[int]) -> tensors_pb2.Labels:
    """Return the labels of these rows as a message. Raises `InvalidRequest`."""
    if kind == "boolean":
        return tensors_pb2.Labels(booleans=tensors_pb2.BooleanLabels(values=[bool(value) for value in block]))
    if kind == "string":
        from layerwise.data.labels import unfit_text

        values = [str(value) for value in block]
        different = set(values)
        unfit = {text: wanted for text in different if (wanted := unfit_text(text))}
        if unfit:
            row, text = next((row, text) for row, text in zip(rows, values, strict=True) if text in unfit)
            raise _wrong(name, row, unfit[text], text)
        _warn_of_blanks(name, different)
        return tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=values))
    integers: list[int] = block.tolist()
    if block.dtype.kind not in "i":
        from layerwise.data.labels import MAX_INTEGER

        for row, value in zip(rows, cast("list[float]", integers), strict=True):
            if (
                value % 1 != 0 or not -MAX_INTEGER - 1 <= value <= MAX_INTEGER
            ):  # the remainder of NaN and infinity is not 0
                raise _wrong(name, row, "expected a whole number of 64 bits as a label", value)
        integers = [int(value) for value in integers]
    return tensors_pb2.Labels(integers=tensors_pb2.IntegerLabels(values=integers))


def _wrong(name: str, row: int, wanted: str, value: object) -> InvalidRequest:
    from layerwise.checks import shown

    return invalid((name, row), f"{wanted}, got {shown(value)}")
