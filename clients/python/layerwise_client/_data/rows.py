"""Rows of numbers, from an array, lists or a sparse matrix, checked and read in blocks of float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from layerwise_client._data.masks import refuse_masked
from layerwise_client._data.places import invalid
from layerwise_client.errors import InvalidRequest
from layerwise_proto.v1 import tensors_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = np.ndarray[Any, np.dtype[Any]]
    Block = npt.NDArray[np.float32]


IN_RANGE = "a number within float32's range (±3.4e38)"


@dataclass(frozen=True, slots=True)
class NumberRows:
    """`count` rows of `features` numbers, read in blocks, so that a memory-mapped array stays on disk.

    `take(start, stop)` returns these rows as an array of any type.
    """

    count: int
    features: int
    take: Callable[[int, int], Array]

    @property
    def fitted(self) -> int:
        """Number of values that an encoder is fitted on; 0 for rows of numbers."""
        return 0

    def row_bytes(self, number_bytes: int) -> int:
        """Return the size of a row in a message in which a number takes `number_bytes`."""
        return number_bytes * self.features

    def block(self, start: int, stop: int) -> Block:
        """Return rows `start` to `stop` as (rows, features) float32.

        Raises `InvalidRequest`, with row and column, for a value that is not a finite number in the range of float32.
        """
        return to_float32(self.take(start, stop), "X", first_row=start)


def open_rows(X: object) -> NumberRows:
    """Open `X`, an array (n, features), a sparse matrix or a sequence of rows. Checks the shape, not the values."""
    import numpy as np

    if isinstance(X, Sequence) and not isinstance(X, str | bytes):
        rows = _open_sequence(cast("Sequence[object]", X))
    elif is_sparse(X):
        rows = _open_sparse(cast(Any, X))
    else:
        array = cast("Array", X if isinstance(X, np.ndarray) else np.asarray(X))
        if array.ndim != 2:
            raise _not_two_dimensional(array.shape)
        _refuse_text(array, "X", first_row=0)
        rows = NumberRows(array.shape[0], array.shape[1], lambda start, stop: array[start:stop])
    if rows.count == 0:
        raise InvalidRequest("X has no rows", reason="EMPTY_BATCH", pointer="X")
    if rows.features == 0:
        raise InvalidRequest("X has rows without numbers", pointer="X")
    return rows


def is_sparse(X: object) -> bool:
    """Return whether `X` is a sparse matrix or array of SciPy."""
    return hasattr(X, "tocsr") and hasattr(X, "toarray")


def to_float32(values: Array, name: str, *, first_row: int = 0) -> Block:
    """Return `values`, (n, …) of any numeric type, as contiguous little-endian float32.

    Raises `InvalidRequest` at the first value that is not a number, not finite, or out of float32's range.
    """
    import numpy as np

    from layerwise.checks import shown
    from layerwise.tables.reading import FLOAT32_MAX

    _refuse_text(values, name, first_row=first_row)
    if isinstance(values, np.ma.MaskedArray):  # a masked value is missing
        values = cast("Array", np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan))
    try:
        with np.errstate(over="ignore"):  # values that overflow are refused below, with their place
            block = np.ascontiguousarray(values, dtype="<f4")
    except OverflowError:  # whole numbers of hundreds of digits
        beyond = next(index for index, value in np.ndenumerate(values) if abs(value) > FLOAT32_MAX)
        raise _misplaced(name, beyond, first_row, f"expected {IN_RANGE}, got {shown(values[beyond])}") from None
    finite = np.isfinite(block)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        value = float(values[index])
        wanted = IN_RANGE if np.isfinite(value) else "a finite number"
        raise _misplaced(name, index, first_row, f"expected {wanted}, got {value:g}")
    return block


def tensor(block: Block) -> tensors_pb2.Tensor:
    """Return a contiguous float32 array as a message."""
    return tensors_pb2.Tensor(data_type=tensors_pb2.DATA_TYPE_FLOAT32, shape=block.shape, data=block.tobytes())


def from_tensor(message: tensors_pb2.Tensor) -> Block:
    """Return the array in a message; it is read-only, and shares the memory of the message."""
    import numpy as np

    return np.frombuffer(message.data, dtype="<f4").reshape(tuple(message.shape))


def _open_sequence(X: Sequence[object]) -> NumberRows:
    features = _length(X[0]) if X else 0
    if X and features is None:
        raise _not_two_dimensional((len(X),))

    def take(start: int, stop: int) -> Array:
        import numpy as np

        rows = X[start:stop]
        refuse_masked(rows, "X", first_row=start)
        for index, row in enumerate(rows, start):
            if (length := _length(row)) != features:
                got = "a value that is not a row" if length is None else f"{length}"
                raise invalid(("X", index), f"expected {features} numbers, got {got}")
        try:
            array = np.asarray(rows)
        except ValueError as exc:  # a list where a number should be
            raise InvalidRequest(f"X rows {start} to {stop - 1}: expected numbers only", pointer="X") from exc
        if array.ndim != 2:
            raise _not_two_dimensional((len(X), *array.shape[1:]))
        if array.dtype.kind in "US":  # NumPy made text of every number; keep the values as they are
            array = np.array([list(cast("Sequence[object]", row)) for row in rows], dtype=object)
        return array

    return NumberRows(len(X), features or 0, take)


def _open_sparse(X: Any) -> NumberRows:
    """Open a sparse matrix. Each block of rows is made dense."""
    if X.ndim != 2:
        raise _not_two_dimensional(X.shape)
    by_row = X.tocsr()
    return NumberRows(X.shape[0], X.shape[1], lambda start, stop: by_row[start:stop].toarray())


def _length(row: object) -> int | None:
    if isinstance(row, str | bytes) or not hasattr(row, "__len__") or getattr(row, "ndim", 1) == 0:
        return None
    return len(cast("Sequence[object]", row))


def _refuse_text(values: Array, name: str, *, first_row: int) -> None:
    """Raise an error for a value that is not a number; NumPy would read the text "1.5" as one."""
    import numpy as np

    if values.dtype.kind in "biuf":
        return
    if values.dtype.kind == "O":
        for index, value in np.ndenumerate(values):
            if isinstance(value, str) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
                raise _misplaced(name, index, first_row, f"expected a number, got {value!r}")
        return
    raise InvalidRequest(f"{name}: expected numbers, got an array of {values.dtype}", pointer=name)


def _misplaced(name: str, index: tuple[int, ...], first_row: int, problem: str) -> InvalidRequest:
    return invalid((name, first_row + index[0], *index[1:]), problem)


def _not_two_dimensional(shape: tuple[int, ...]) -> InvalidRequest:
    hint = "; for a single row write [[…]]" if len(shape) == 1 else ""
    return InvalidRequest(f"X: expected rows of numbers (n, features), got shape {shape}{hint}", pointer="X")
