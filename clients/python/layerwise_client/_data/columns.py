"""One column of a table (a list, an array, a Series of pandas) as numbers or texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from layerwise_client._data.cells import EXACT, open_cells, text_of
from layerwise_client._data.places import invalid

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = np.ndarray[Any, np.dtype[Any]]


class RowRange(Protocol):
    """Values that give those of some rows."""

    def take(self, start: int, stop: int) -> list[object]: ...


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """Reads one column in blocks of rows.

    `take(start, stop)` returns numbers (rows,), NaN where one is missing, or texts, "" where one is missing.
    `categorical` says that the texts look like numbers or dates, but are categories.
    """

    name: str
    take: Callable[[int, int], npt.NDArray[np.float64] | list[str]]
    categorical: bool = False


def open_values(name: str, values: object, count: int, *, kind: str | None) -> ColumnReader:
    """Open a column of `count` values. `kind` says what it holds, as `UncheckedTable.opened` knows it.

    Raises `InvalidRequest`, naming row and column, for values that are no number, text, boolean or date, and for values
    of different types if `kind` is "".
    """
    import numpy as np

    as_numbers = kind == "number"
    if hasattr(values, "cat") and hasattr(cast(Any, values).cat, "codes"):
        return _of_categories(name, cast(Any, values), as_numbers=as_numbers)
    if hasattr(values, "dtype") and not isinstance(values, np.ndarray) and hasattr(values, "to_numpy"):
        values = _array_of(name, cast(Any, values))
    if not isinstance(values, np.ndarray):
        take = cast("RowRange", values).take if hasattr(values, "rows") else _sliced(values)
        return _of_cells(name, take, count, kind)
    array = cast("Array", values)
    if array.ndim != 1:
        raise invalid(("X", name), f"expected one value a row, got shape {array.shape}")
    if isinstance(array, np.ma.MaskedArray):  # a masked value is missing, whatever stands under the mask
        return _of_cells(name, lambda start, stop: array[start:stop].tolist(), count, kind)
    dtype_kind = array.dtype.kind
    if dtype_kind == "b" and not as_numbers:
        return ColumnReader(name, lambda start, stop: ["true" if each else "false" for each in array[start:stop]])
    if dtype_kind in "bf" or (dtype_kind in "iu" and _is_exact(array)):
        return ColumnReader(name, lambda start, stop: array[start:stop].astype(np.float64))
    if dtype_kind in "iu":
        return ColumnReader(name, lambda start, stop: [str(each) for each in array[start:stop].tolist()])
    if dtype_kind == "M":
        return ColumnReader(name, lambda start, stop: _times(array[start:stop]))
    if dtype_kind in "OUST":
        return _of_cells(name, lambda start, stop: array[start:stop].tolist(), count, kind)
    hint = "; divide it by a unit to get numbers" if dtype_kind == "m" else ""
    raise invalid(("X", name), f"expected numbers, texts, booleans or dates, got {array.dtype}{hint}")


def _of_cells(name: str, take: Callable[[int, int], list[object]], count: int, kind: str | None) -> ColumnReader:
    return ColumnReader(name, open_cells(name, take, count, kind=kind))


def _of_categories(name: str, series: Any, *, as_numbers: bool) -> ColumnReader:
    """Open a categorical of pandas: codes into its categories, -1 where the value is missing."""
    import numpy as np

    from layerwise.tables.inference import infer_format

    codes: Array = np.asarray(series.cat.codes)
    categories: list[object] = series.cat.categories.tolist()
    known = open_cells(
        name, lambda start, stop: categories[start:stop], len(categories), kind="number" if as_numbers else None
    )(0, len(categories))
    if as_numbers and isinstance(known, np.ndarray):
        numbers = np.append(known, np.nan)
        return ColumnReader(name, lambda start, stop: numbers[codes[start:stop]])
    texts = [*(text_of(each) for each in categories), ""]
    misleading = infer_format(dict.fromkeys(texts, 1)).format.kind != "category"
    return ColumnReader(
        name,
        lambda start, stop: [texts[code] for code in codes[start:stop].tolist()],
        categorical=misleading,
    )


def _array_of(name: str, series: Any) -> Array:
    """Return a Series of pandas as an array; its missing values become NaN or NaT, or stay objects."""
    import numpy as np

    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    if kind == "M":
        return cast("Array", series.to_numpy(dtype="M8[us]"))  # with a time zone too, as UTC
    if isinstance(dtype, np.dtype):
        return cast("Array", series.to_numpy())
    exact = kind == "f" or (kind in "iu" and not ((series > EXACT) | (series < -EXACT)).any())
    if exact:  # na_value: a missing value of pandas' own numbers has no float otherwise
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
