"""One column of a table (a list, an array, a Series of pandas, a column of Arrow) as typed numbers or texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from layerwise_client._data.arrow import ArrowCategories
from layerwise_client._data.cells import EXACT, ColumnReader, open_cells, short_float, text_of
from layerwise_client._data.places import invalid

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = np.ndarray[Any, np.dtype[Any]]


class RowRange(Protocol):
    """Values that give those of some rows."""

    def take(self, start: int, stop: int) -> list[object]: ...


def open_values(name: str, values: object, count: int, *, kind: str | None) -> ColumnReader:
    """Open a column of `count` values. `kind` says what it holds, as `UncheckedTable.opened` knows it.

    Raises `InvalidRequest`, naming row and column, for values that are no number, text, boolean, date or time, and for
    values of different types if `kind` is "".
    """
    import numpy as np

    if isinstance(values, ArrowCategories):
        return _of_categories(name, values.codes, values.categories, kind)
    if hasattr(values, "cat") and hasattr(cast(Any, values).cat, "codes"):
        series = cast(Any, values).cat  # codes into the categories, -1 where the value is missing
        return _of_categories(name, np.asarray(series.codes), series.categories.tolist(), kind)
    if hasattr(values, "dtype") and not isinstance(values, np.ndarray) and hasattr(values, "to_numpy"):
        whole = getattr(cast(Any, values).dtype, "kind", "O") in "iu"
        values = _array_of(cast(Any, values))
        if whole and values.dtype.kind == "f":  # whole numbers with gaps
            return _of_numbers(name, values, "whole", kind)
    if not isinstance(values, np.ndarray):
        take = cast("RowRange", values).take if hasattr(values, "rows") else _sliced(values)
        return open_cells(name, take, count, kind=kind)
    array = cast("Array", values)
    if array.ndim != 1:
        raise invalid(("X", name), f"expected one value a row, got shape {array.shape}")
    dtype_kind = array.dtype.kind
    if isinstance(array, np.ma.MaskedArray) or dtype_kind in "OUST":  # a masked value is missing
        return open_cells(name, lambda start, stop: array[start:stop].tolist(), count, kind=kind)
    if dtype_kind == "M":
        return ColumnReader(name, lambda start, stop: _times(array[start:stop]), "date")
    if dtype_kind in "iu" and not _is_exact(array):
        return ColumnReader(name, lambda start, stop: [str(each) for each in array[start:stop].tolist()], "whole")
    if dtype_kind in "biuf":
        return _of_numbers(name, array, {"b": "boolean", "f": "number"}.get(dtype_kind, "whole"), kind)
    hint = "; divide it by a unit to get numbers" if dtype_kind == "m" else ""
    raise invalid(("X", name), f"expected numbers, texts, booleans, dates or times, got {array.dtype}{hint}")


def _of_numbers(name: str, array: Array, type_: str, kind: str | None) -> ColumnReader:
    import numpy as np

    if kind == "category" and array.dtype.kind == "f" and array.dtype.itemsize < 8:
        return ColumnReader(name, lambda start, stop: _short_floats(array[start:stop]), type_)
    return ColumnReader(name, lambda start, stop: array[start:stop].astype(np.float64), type_)


def _short_floats(array: Array) -> npt.NDArray[np.float64]:
    """Return numbers that stand for categories with the digits of their own precision."""
    import numpy as np

    different, places = np.unique(array, return_inverse=True)
    return np.array([short_float(each) for each in different])[places]


def _of_categories(name: str, codes: Array, categories: list[object], kind: str | None) -> ColumnReader:
    """Open a column of `codes` into `categories`, -1 where the value is missing."""
    import numpy as np

    known = open_cells(
        name, lambda start, stop: categories[start:stop], len(categories), kind="number" if kind == "number" else None
    )
    values = known.take(0, len(categories))
    if isinstance(values, np.ndarray) and known.type != "boolean":
        numbers = np.append(values, np.nan)
        own = "number" if kind == "number" else "category"
        return ColumnReader(name, lambda start, stop: numbers[codes[start:stop]], own)
    texts = [*(text_of(each) for each in categories), ""]
    return ColumnReader(name, lambda start, stop: [texts[code] for code in codes[start:stop].tolist()], "category")


def _array_of(series: Any) -> Array:
    """Return a Series of pandas as an array; its missing values become NaN or NaT, or stay objects."""
    import numpy as np

    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    if kind == "M":
        return cast("Array", series.to_numpy(dtype="M8[us]"))  # with a time zone too, as UTC
    if isinstance(dtype, np.dtype):
        return cast("Array", series.to_numpy())
    if kind == "f":  # na_value: a missing value of pandas' own numbers has no float otherwise
        return cast("Array", series.to_numpy(dtype=f"f{getattr(dtype, 'itemsize', 8)}", na_value=np.nan))
    if kind in "iu" and not ((series > EXACT) | (series < -EXACT)).any():
        return cast("Array", series.to_numpy(dtype=np.float64, na_value=np.nan))
    return cast("Array", series.to_numpy(dtype=object))


def _sliced(values: object) -> Callable[[int, int], list[object]]:
    sequence = cast("Sequence[object]", values)
    return lambda start, stop: list(sequence[start:stop])


def _is_exact(array: Array) -> bool:
    """Return whether float64 holds all of these whole numbers exactly."""
    if array.dtype.itemsize < 8 or len(array) == 0:
        return True
    return int(array.min()) >= -EXACT and int(array.max()) <= EXACT


def _times(values: Array) -> list[str]:
    """Return datetime64 as ISO 8601 texts, "" where one is missing."""
    import numpy as np

    days = np.datetime_data(values.dtype)[0] in ("Y", "M", "W", "D")
    texts = np.datetime_as_string(values, unit="D" if days else "s")
    texts[np.isnat(values)] = ""
    return cast("list[str]", texts.tolist())
