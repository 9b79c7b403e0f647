"""The encoder of tables: columns in, inputs of a network out."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from layerwise.checks import choice, counted, fields, shown, whole_number
from layerwise.data.arrays import blocks
from layerwise.errors import InvalidInput, Place
from layerwise.tables.choices import check_scaled_once, encoding_choices
from layerwise.tables.encoding import Encoding, texts
from layerwise.tables.fitted_columns import columns_from_json
from layerwise.tables.fitting import AnyColumn, fit_columns
from layerwise.tables.outputs import copied, dtype_of_outputs, unique_names, zeroed
from layerwise.tables.rows import rows_writer
from layerwise.tables.table import TableLike, columns_of, several
from layerwise.types import Floats

FEW_ROWS = 32
"""Up to this many rows are encoded row by row, which is then faster than column by column."""
BLOCK_NUMBERS = 2**18
"""Outputs written at once: a block that stays in the processor's cache from the first column to the last."""


class TableEncoder:
    """Encodes the columns of a table as inputs of a network.

    It is fitted once and does not change afterwards; several threads may use it at once.

    Parameters
    ----------
    columns : mapping of str to str or Encoding, optional
        The encodings of columns, by name (such as "one_hot") or as objects.
    ignore : iterable of str, optional
        Columns to leave out.
    rest : {"infer", "ignore"}, default "infer"
        Infer the encodings of all other columns from their values, or leave these columns out.
    extra : {"error", "ignore"}, default "error"
        Whether a table to encode may have columns that the fitted table had not.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import TableEncoder
    >>> encoder = TableEncoder().fit({"age": [20, 30, 40], "pet": ["cat", "dog", "cat"]})
    >>> encoder.names
    ('age', 'pet=cat', 'pet=dog')
    >>> encoder.encode([{"age": 30, "pet": "dog"}])
    array([[0., 0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        columns: Mapping[str, str | Encoding] | None = None,
        *,
        ignore: Iterable[str] = (),
        rest: str = "infer",
        extra: str = "error",
    ) -> None:
        self._choices = encoding_choices(columns)
        self._ignored = texts("ignore", ignore)
        for name in self._ignored:
            if name in self._choices:
                raise InvalidInput(Place("columns", name), "expected a column that is not also in `ignore`")
        self._rest = choice("rest", rest, ("infer", "ignore"))
        self._extra = choice("extra", extra, ("error", "ignore"))
        self._columns: tuple[AnyColumn, ...] | None = None

    def fit(self, table: TableLike) -> "TableEncoder":
        """Fit all columns on the rows of a table.

        Parameters
        ----------
        table : mapping, list of mappings, or DataFrame
            The rows.

        Returns
        -------
        TableEncoder
            The encoder itself.

        Raises
        ------
        InvalidInput
            If a value does not fit its column, naming row and column; or if the encoder is already fitted.
        """
        return self.fit_blocks([table])

    def fit_blocks(self, tables: Iterable[TableLike]) -> "TableEncoder":
        """Fit all columns on the rows of several tables, read once, one at a time.

        Memory does not grow with the rows: of each column it keeps moments, up to 131,072 categories, beyond which the
        rarest are forgotten, and for quantiles and medians a random sample of 65,536 numbers.

        Parameters
        ----------
        tables : iterable of tables
            The rows, in blocks.

        Returns
        -------
        TableEncoder
            The encoder itself.

        Raises
        ------
        InvalidInput
            As for `fit`; rows are counted over all tables. The encoder is then unchanged.
        """
        if self._columns is not None:
            raise InvalidInput("encoder", "expected an encoder that is not yet fitted; make a new one")
        ignored = None if self._rest == "ignore" else self._ignored
        self._fitted_as(fit_columns(tables, self._choices, ignored=ignored, extra=self._extras))
        return self

    def _fitted_as(self, columns: tuple[AnyColumn, ...]) -> None:
        starts = np.cumsum([0, *(column.width for column in columns)]).tolist()
        self._slices = [slice(*ends) for ends in pairwise(starts)]
        self._width = int(starts[-1])
        self._names = [column.name for column in columns]
        pairs = zip(columns, starts[:-1], strict=True)
        self._constant = np.array([start + output for column, start in pairs for output in column.constant], np.intp)
        self._write_rows = rows_writer(columns, self._extras)
        self._columns = columns

    @property
    def _extras(self) -> tuple[str, ...] | None:
        """The columns that a table may have beyond those that are encoded; None for any."""
        return None if self._extra == "ignore" or self._rest == "ignore" else self._ignored

    @property
    def is_fitted(self) -> bool:
        """Whether the encoder is fitted."""
        return self._columns is not None

    @property
    def columns(self) -> tuple[AnyColumn, ...]:
        """The fitted columns, in order: name, kind, encoding, names of outputs, and what was fitted.

        Raises InvalidInput before fitting, as all members below do.
        """
        if self._columns is None:
            raise InvalidInput("encoder", "expected a fitted encoder; call fit(table) first")
        return self._columns

    @property
    def width(self) -> int:
        """The number of outputs of a row, which is the network's number of inputs."""
        return self._width if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs (width,), all different: "distance", "distance missing", "carrier=AA", "day.year" …

        A name that two columns share gets " (2)" in the second.
        """
        return unique_names([name for column in self.columns for name in column.names])

    @property
    def constant(self) -> tuple[int, ...]:
        """The outputs that had one value in all fitted rows; they are encoded as 0 in every row."""
        return tuple(self._constant.tolist()) if self.columns else ()

    def check_scaled_once(self, scale: float, shift: float) -> None:
        """Raise InvalidInput if a network would scale inputs that an encoding has already scaled."""
        encodings = {column.name: column.encoding for column in self.columns}
        check_scaled_once(encodings, scale, shift)

    def check_choices_scaled_once(self, names: Iterable[str], scale: float, shift: float) -> None:
        """Check as `check_scaled_once` before fitting, for a table with columns of these `names`.

        Inferred encodings are never "identity". Raises InvalidInput.
        """
        chosen = {name: self._choices.get(name) for name in names if name not in self._ignored}
        used = {name: own for name, own in chosen.items() if own is not None or self._rest == "infer"}
        check_scaled_once(used, scale, shift)

    def source_of(self, output: int) -> str:
        """Return the name of the column of an `output`, counted from 0. Raises InvalidInput."""
        at = whole_number("output", output, least=0, most=self.width - 1)
        found = next(c for c, own in zip(self.columns, self._slices, strict=True) if at < own.stop)
        return found.name

    def encode(self, table: TableLike, out: Floats | None = None, *, dtype: DTypeLike | None = None) -> Floats:
        """Encode the rows of a table as inputs of the network.

        Parameters
        ----------
        table : mapping, list of mappings, or DataFrame
            The rows.
        out : ndarray (n, width), optional
            The array to write into.
        dtype : {float32, float64}, optional
            Type of the result; by default that of `out`, or float32.

        Returns
        -------
        ndarray (n, width)

        Raises
        ------
        InvalidInput
            If a value does not fit its column, naming row and column; or if the encoder is not fitted.
        """
        columns = self.columns
        kind = dtype_of_outputs(dtype, out)
        rows = cast(list[object], table)
        if type(rows) is list and len(rows) <= FEW_ROWS:
            target: Floats = np.zeros((len(rows), self._width), kind)
            if self._write_rows(rows, target):
                if len(self._constant):
                    target[:, self._constant] = 0
                return target if out is None else copied(target, out)
        read: list[NDArray[Any]] = []
        count = 0
        for column, given in zip(columns, columns_of(rows, self._names, extra=self._extras), strict=True):
            count = len(given)
            read.append(column.read(given))
        shape = (count, self._width)
        found: Floats = np.zeros(shape, kind) if out is None else zeroed(out, shape)
        for rows_of_block in blocks(count, self._width, BLOCK_NUMBERS):
            for column, own, values in zip(columns, self._slices, read, strict=True):
                column.write(values[rows_of_block], found[rows_of_block, own])
            if len(self._constant):
                found[rows_of_block, self._constant] = 0
        return found

    def encode_blocks(self, tables: Iterable[TableLike], *, dtype: DTypeLike | None = None) -> Iterator[Floats]:
        """Return an iterator over the inputs (n, width) of each table in turn. Raises InvalidInput as `encode` does."""
        return (self.encode(table, dtype=dtype) for table in several(tables))

    def to_json(self) -> dict[str, object]:
        """Return the encoder as JSON, from which `from_json` makes one that encodes to the same bits."""
        return {
            "columns": {name: encoding.to_json() for name, encoding in self._choices.items()},
            "ignore": list(self._ignored),
            "rest": self._rest,
            "extra": self._extra,
            "fitted": None if self._columns is None else [column.to_json() for column in self._columns],
        }

    @classmethod
    def from_json(cls, value: object) -> "TableEncoder":
        """Return the encoder of JSON from `to_json`; missing fields have their defaults. Raises InvalidInput."""
        given = fields("", value, known=("columns", "ignore", "rest", "extra", "fitted"))
        fitted = given.pop("fitted", None)
        encoder = cls(**cast(dict[str, Any], given))
        if fitted is not None:
            encoder._fitted_as(columns_from_json(fitted))
        return encoder

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, TableEncoder) and self.to_json() == other.to_json())

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return TableEncoder.from_json, (self.to_json(),)

    def __repr__(self) -> str:
        if self._columns is None:
            return "TableEncoder(not fitted)"
        return f"TableEncoder({counted(len(self._columns), 'column')}, {counted(self._width, 'output')})"


def checked_encoder(encoder: object, inputs: int) -> TableEncoder:
    """Return `encoder` if it is fitted and has as many outputs as the network has `inputs`. Raises InvalidInput."""
    if not isinstance(encoder, TableEncoder):
        raise InvalidInput("encoder", f"expected a TableEncoder, got {shown(encoder)}")
    if encoder.width != inputs:
        wanted = f"expected {counted(inputs, 'output')}, one for each of the network's inputs"
        raise InvalidInput("encoder", f"{wanted}, got {encoder.width}")
    return encoder
