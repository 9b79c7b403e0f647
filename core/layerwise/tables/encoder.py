"""The encoder of tables: named, typed columns in, the network's inputs out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from layerwise import variants
from layerwise.checks import choice, counted, fields, shown, whole_number
from layerwise.data.arrays import blocks
from layerwise.errors import InvalidInput, Place, within
from layerwise.tables.category_column import category_column_from_json
from layerwise.tables.date_column import date_column_from_json
from layerwise.tables.encodings import (
    ENCODINGS,
    CategoryEncoding,
    DateParts,
    Encoding,
    NumberEncoding,
    Unscaled,
    is_unicode,
    texts,
)
from layerwise.tables.fitting import AnyColumn, ColumnFit
from layerwise.tables.number_column import number_column_from_json
from layerwise.tables.outputs import copied, dtype_of_outputs, unique_names, zeroed
from layerwise.tables.rows import rows_writer
from layerwise.tables.table import TableLike, columns_of, names_of, several
from layerwise.types import Floats

FEW_ROWS = 32
"""Up to so many rows are encoded one by one, which costs less than reading columns."""
BLOCK_NUMBERS = 2**18
"""How many outputs are written at once: so many stay in the processor's cache from the first column to the last."""


class TableEncoder:
    """Turns the columns of a table into the inputs of a network, as fitted on the rows of a table.

    `columns` gives columns an encoding, by its name or as an object; `ignore` names those to leave out. The encoding of
    the `rest` is found in their values ("infer"), or they are left out ("ignore"). A table to encode that has further
    columns is refused, unless `extra` is "ignore". Raises InvalidInput.

    Fitted once, it does not change any more, and several threads may use it at once.
    """

    def __init__(
        self,
        columns: Mapping[str, str | Encoding] | None = None,
        *,
        ignore: Iterable[str] = (),
        rest: str = "infer",
        extra: str = "error",
    ) -> None:
        self._choices = _choices(columns)
        self._ignored = texts("ignore", ignore)
        for name in self._ignored:
            if name in self._choices:
                raise InvalidInput(Place("columns", name), "expected a column that is not ignored as well")
        self._rest = choice("rest", rest, ("infer", "ignore"))
        self._extra = choice("extra", extra, ("error", "ignore"))
        self._columns: tuple[AnyColumn, ...] | None = None

    def fit(self, table: TableLike) -> "TableEncoder":
        """Fits all columns on the rows of `table`; gives the encoder itself. Raises InvalidInput."""
        return self.fit_blocks([table])

    def fit_blocks(self, tables: Iterable[TableLike]) -> "TableEncoder":
        """Fits all columns on the rows of all `tables`, read once, one at a time; gives the encoder itself.

        What is kept of a column does not grow with the rows: moments; up to 131,072 categories, beyond which the rarest
        are forgotten; for quantiles and medians 65,536 numbers, beyond which they are chosen at random. Raises
        InvalidInput, naming row, counted over all tables, and column; the encoder is then as before.
        """
        if self._columns is not None:
            raise InvalidInput("encoder", "expected one that is not yet fitted; make another")
        fits: list[ColumnFit] | None = None
        start = 0
        for table in several(tables):
            if fits is None:
                if isinstance(table, list | tuple) and not table:
                    continue  # it has no names yet
                fits = [ColumnFit(name, self._choices.get(name)) for name in self._to_fit(table)]
            read = columns_of(table, [fit.name for fit in fits], extra=self._extras, start=start)
            for fit, column in zip(fits, read, strict=True):
                fit.add(column)
            start += len(read[0])
        if fits is None or start == 0:
            raise InvalidInput("table", "expected at least 1 row, got 0")
        self._fitted_as(tuple(fit.finished() for fit in fits))
        return self

    def _to_fit(self, table: TableLike) -> list[str]:
        """The columns of `table` to fit: in its order."""
        given = names_of(table)
        for name in self._choices:
            if name not in given:
                raise InvalidInput(
                    Place("columns", name), f"expected a column of this name, there are {', '.join(given)}"
                )
        chosen = [n for n in given if n in self._choices or (self._rest == "infer" and n not in self._ignored)]
        if not chosen:
            raise InvalidInput("table", "expected at least 1 column that is not ignored, got 0")
        return chosen

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
        """The columns that a table may have beyond those that are encoded; None if it may have any."""
        return None if self._extra == "ignore" or self._rest == "ignore" else self._ignored

    @property
    def is_fitted(self) -> bool:
        """Whether it can encode."""
        return self._columns is not None

    @property
    def columns(self) -> tuple[AnyColumn, ...]:
        """The columns in their order, each with name, kind, encoding, names of outputs, and what was found in it.

        Raises InvalidInput before fitting, as all that follows does.
        """
        if self._columns is None:
            raise InvalidInput("encoder", "expected one that is fitted; call fit(table) first")
        return self._columns

    @property
    def width(self) -> int:
        """The number of outputs a row becomes: the network's inputs."""
        return self._width if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs (width,), all different: "distance", "distance missing", "carrier=AA", "day.year" …

        Where columns a and a=x both make an "a=x", the second is "a=x (2)".
        """
        return unique_names([name for column in self.columns for name in column.names])

    @property
    def constant(self) -> tuple[int, ...]:
        """The outputs that were the same in all rows it was fitted on, and are 0 in every row encoded."""
        return tuple(self._constant.tolist()) if self.columns else ()

    def check_scaled_once(self, scale: float, shift: float) -> None:
        """Refuses a network's `input_scale` and `input_shift` if any column is scaled by its own encoding already.

        Raises InvalidInput.
        """
        encodings = {column.name: column.encoding for column in self.columns}
        _check_scaled_once(encodings, scale, shift)

    def check_choices_scaled_once(self, names: Iterable[str], scale: float, shift: float) -> None:
        """`check_scaled_once` before fitting, for a table with columns of these `names`.

        Columns whose encoding is to be found in their values are never `identity`. Raises InvalidInput.
        """
        chosen = {name: self._choices.get(name) for name in names if name not in self._ignored}
        used = {name: own for name, own in chosen.items() if own is not None or self._rest == "infer"}
        _check_scaled_once(used, scale, shift)

    def source_of(self, output: int) -> str:
        """The name of the column that the `output`, from 0, comes from. Raises InvalidInput."""
        at = whole_number("output", output, least=0, most=self.width - 1)
        found = next(c for c, own in zip(self.columns, self._slices, strict=True) if at < own.stop)
        return found.name

    def encode(self, table: TableLike, out: Floats | None = None, *, dtype: DTypeLike | None = None) -> Floats:
        """The rows of `table` as the network's inputs (n, width), of `dtype` float32 or float64; float32 by default.

        They are written into `out`, if one of that shape is given, and it is returned; its dtype is theirs, and `dtype`
        may be left out. Raises InvalidInput, naming row and column.
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
        """The inputs (n, width) of one table after the other. Raises InvalidInput."""
        return (self.encode(table, dtype=dtype) for table in several(tables))

    def to_json(self) -> dict[str, object]:
        """The encoder as JSON: what was chosen and, in `fitted`, what was found, or null before fitting.

        `from_json` gives an equal one, which encodes to the same bits.
        """
        return {
            "columns": {name: encoding.to_json() for name, encoding in self._choices.items()},
            "ignore": list(self._ignored),
            "rest": self._rest,
            "extra": self._extra,
            "fitted": None if self._columns is None else [column.to_json() for column in self._columns],
        }

    @classmethod
    def from_json(cls, value: object) -> "TableEncoder":
        """The encoder that the JSON `value` stands for; fields left out are as in the constructor.

        Raises InvalidInput, which says where.
        """
        given = fields("", value, known=("columns", "ignore", "rest", "extra", "fitted"))
        fitted = given.pop("fitted", None)
        encoder = cls(**cast(dict[str, Any], given))
        if fitted is not None:
            encoder._fitted_as(_fitted_from_json(fitted))
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
    """`encoder`, which must be fitted and give a network its `inputs`. Raises InvalidInput."""
    if not isinstance(encoder, TableEncoder):
        raise InvalidInput("encoder", f"expected a TableEncoder, got {shown(encoder)}")
    if encoder.width != inputs:
        wanted = f"expected {counted(inputs, 'output')}, one for each of the network's inputs"
        raise InvalidInput("encoder", f"{wanted}, got {encoder.width}")
    return encoder


def _check_scaled_once(encodings: Mapping[str, Encoding | None], scale: float, shift: float) -> None:
    """Refuses an `input_scale` or `input_shift` of inputs that one of the `encodings`, by column, has scaled."""
    if scale == 1 and shift == 0:
        return
    for name, encoding in encodings.items():
        if not isinstance(encoding, Unscaled):
            kind = f" by {encoding.kind}" if encoding else ""
            detail = f"expected 1, and an input_shift of 0: column {shown(name)} is scaled{kind} already, got {scale:g}"
            raise InvalidInput("input_scale", f"{detail}; leave it out, or encode every column as 'identity'")


def _choices(columns: object) -> dict[str, Encoding]:
    """The encodings that a user gives."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise InvalidInput("columns", f"expected encodings by the names of columns, got {shown(columns)}")
    found: dict[str, Encoding] = {}
    for name, encoding in cast(Mapping[object, object], columns).items():
        if not isinstance(name, str) or not name or not is_unicode(name):
            raise InvalidInput("columns", f"expected names of columns, got {shown(name)}")
        found[name] = variants.from_json(Place("columns", name), encoding, ENCODINGS)
    return found


def _fitted_from_json(value: object) -> tuple[AnyColumn, ...]:
    items = cast(list[object], value)
    if type(items) is not list or not items:
        raise InvalidInput("fitted", f"expected a list of columns, or null, got {shown(value)}")
    found: dict[str, AnyColumn] = {}
    for i, item in enumerate(items):
        with within("fitted", i):
            column = _column_from_json(item)
            if column.name in found:
                raise InvalidInput("name", f"expected names that differ, got {shown(column.name)} twice")
            found[column.name] = column
    return tuple(found.values())


def _column_from_json(value: object) -> AnyColumn:
    if not isinstance(value, Mapping):
        raise InvalidInput("", f"expected an object, got {shown(value)}")
    given = dict(cast(Mapping[str, object], value))
    for field in "name", "encoding":
        if field not in given:
            raise InvalidInput(field, "expected a value, the field is missing")
    name = given.pop("name")
    if not isinstance(name, str) or not name or not is_unicode(name):
        raise InvalidInput("name", f"expected a text, got {shown(name)}")
    encoding = variants.from_json("encoding", given.pop("encoding"), ENCODINGS)
    constant = given.pop("constant", [])
    column: AnyColumn
    if isinstance(encoding, NumberEncoding):
        column = number_column_from_json(name, encoding, given)
    elif isinstance(encoding, DateParts):
        column = date_column_from_json(name, encoding, given)
    else:
        column = category_column_from_json(name, cast(CategoryEncoding, encoding), given)
    return replace(column, constant=_constant_from_json(constant, column.width))


def _constant_from_json(value: object, width: int) -> tuple[int, ...]:
    items = cast(list[object], value)
    if type(items) is not list or len(items) > width:
        raise InvalidInput("constant", f"expected a list of at most {counted(width, 'output')}, got {shown(value)}")
    found = [whole_number(Place("constant", i), item, least=0, most=width - 1) for i, item in enumerate(items)]
    for i in range(1, len(found)):
        if found[i] <= found[i - 1]:
            raise InvalidInput(Place("constant", i), f"expected more than {found[i - 1]}, as before, got {found[i]}")
    return tuple(found)
