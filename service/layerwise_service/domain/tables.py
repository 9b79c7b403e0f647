"""Tables and their encoders: reading an encoder, fitting it, and encoding rows with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise import InvalidInput, TableEncoder, variants
from layerwise.checks import counted
from layerwise.errors import Place
from layerwise.tables import ENCODINGS
from layerwise.tables.cells import GAPS
from layerwise.tables.format import Format
from layerwise.tables.formats import FORMATS, READ_BY
from layerwise.tables.inference import infer_format
from layerwise.tables.unusual import TableWarning, moved
from layerwise.wording import did_you_mean, readable
from layerwise_service.domain.datasets import AnyColumns, Table, rows_of
from layerwise_service.errors import InvalidRequest, TooLarge

if TYPE_CHECKING:
    from layerwise_service.settings import Settings

BLOCK_NUMBERS = 2**22
"""Encoded numbers in one block, 16 MiB of float32; a single row may have more."""
AnyTable = AnyColumns | Sequence[Mapping[str, Any]]
"""A table as columns, or as a list of rows, the form of JSON."""


def read_encoder(sent: Mapping[str, object]) -> TableEncoder:
    """Return the encoder from its JSON form, not yet fitted. Raises `InvalidRequest`."""
    with _as_invalid_request("encoder"):
        return TableEncoder.from_json({name: value for name, value in sent.items() if name != "fitted"})


def takes_format(encoding: str | Mapping[str, Any] | None, column_format: Mapping[str, Any]) -> bool:
    """Return whether an encoding, in its JSON form or None for "auto", takes the values that a format reads."""
    if encoding is None:
        return True
    kind = encoding if isinstance(encoding, str) else str(encoding["kind"])
    return kind in ENCODINGS and column_format["kind"] in READ_BY[ENCODINGS[kind].reads]


def with_formats(sent: Mapping[str, object] | None, formats: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the encoder `sent`, in its JSON form, with the `formats` of those columns that it leaves open."""
    given: dict[str, Any] = dict(sent or {})
    encodings, ignored = given.get("columns", {}), given.get("ignore", ())
    used = encodings if given.get("rest") == "ignore" else formats
    known = {
        name: form
        for name, form in formats.items()
        if name in used and name not in ignored and takes_format(encodings.get(name), form)
    }
    return given | {"formats": known | given.get("formats", {})}


def chosen_formats(sent: Mapping[str, Any]) -> dict[str, Format]:
    """Return the formats that an encoder in its JSON form chooses, by column."""
    return {name: variants.from_json("formats", form, FORMATS) for name, form in sent["formats"].items()}


def formats_of(kinds: Mapping[str, str], table: Table) -> dict[str, dict[str, Any]]:
    """Return the JSON forms of the formats of columns of these `kinds`."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind in kinds.items():
        values = table[name]
        if kind == "category":
            found[name] = category_format(values)
        elif kind == "whole" and isinstance(values, list):  # some are beyond those that float64 holds
            found[name] = cast("dict[str, Any]", infer_format(Counter(values)).format.to_json())
        else:
            found[name] = {"kind": "number" if kind == "whole" else kind}
    return found


def category_format(values: NDArray[np.float64] | list[str]) -> dict[str, Any]:
    """Return the JSON form of the format of categories: a word such as NA is no gap if it is one of them."""
    if not isinstance(values, list):
        return {"kind": "category", "numeric": True}
    categories = set(values)
    return {"kind": "category", "gaps": [word for word in GAPS if word and word not in categories]}


def check_names(sent: Mapping[str, object], table: Table) -> None:
    """Raise `InvalidRequest` if an encoding is given for a column that the table does not have."""
    for name in cast("Mapping[str, object]", sent.get("columns", {})):
        if name not in table:
            detail = f"there is no column {name[:64]!r}; the columns are {listed(table)}{did_you_mean(name, table)}"
            raise InvalidRequest(detail, pointer=Place("encoder", "columns", name), reason="COLUMN_NOT_FOUND")


def check_scaled_once(encoder: TableEncoder, architecture: Mapping[str, object], table: Table | None = None) -> None:
    """Raise `InvalidRequest` if the network would scale inputs that `encoder` has scaled already.

    With an encoder that is not fitted yet, `table` shows how it will encode the columns.
    """
    scale = cast("float", architecture.get("input_scale") or 1.0)
    shift = cast("float", architecture.get("input_shift") or 0.0)
    with _as_invalid_request("architecture"):
        if table is None:
            encoder.check_scaled_once(scale, shift)
        else:
            encoder.check_choices_scaled_once(table, scale, shift)


def first_rows(tables: Iterable[Table], rows: int) -> Iterator[Table]:
    """Yield the first `rows` rows of `tables`."""
    for table in tables:
        if rows <= 0:
            return
        own = rows_of(table)
        yield table if own <= rows else {name: values[:rows] for name, values in table.items()}
        rows -= own


def fit_encoder(sent: Mapping[str, object], tables: Iterable[Table], row_at: Callable[[int], Place]) -> TableEncoder:
    """Return the encoder given by its JSON form `sent`, fitted on all `tables`.

    Raises `InvalidRequest`; `row_at` gives the place of a row, counted over all tables.
    """
    encoder = read_encoder(sent)
    with _as_invalid_request("encoder", row_at):
        return encoder.fit_blocks(tables)


def check_encoded(width: int, *, rows: int, outputs: int, settings: Settings) -> None:
    """Raise `TooLarge` if encoded rows of this `width` are too wide, or make too large a dataset."""
    if width > settings.max_features:
        detail = f"expected columns that become at most {settings.max_features} inputs together, got {width}"
        raise TooLarge(f"{detail}; lower `most` of one_hot, or ignore columns", pointer="encoder")
    size = rows * (width + outputs) * 4
    if size > settings.max_dataset_bytes:
        detail = (
            f"{counted(rows, 'row')} of {counted(width, 'encoded input')} need {size:,} bytes, "
            f"a dataset may have {settings.max_dataset_bytes:,}"
        )
        raise TooLarge(detail, pointer="encoder", reason="DATASET_TOO_LARGE")


def encoded(
    encoder: TableEncoder,
    tables: Iterable[AnyTable],
    row_at: Callable[[int], Place],
    *,
    table: Place | str,
    warnings: list[TableWarning] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Yield the encoded rows of `tables`, (n, width), in blocks of bounded memory, and add to `warnings`.

    Raises `InvalidRequest`; `row_at` gives the place of a row, counted over all tables, `table` is that of the table.
    """
    start = 0
    for block, count in _pieces(tables, max(1, BLOCK_NUMBERS // encoder.width)):
        found: list[TableWarning] | None = None if warnings is None else []
        with _as_invalid_request(table, row_at, start=start):
            rows = encoder.encode(block, warnings=found)
        if warnings is not None and found:
            warnings += moved(found, start)
        yield cast("NDArray[np.float32]", rows)
        start += count


def _pieces(tables: Iterable[AnyTable], most: int) -> Iterator[tuple[AnyTable, int]]:
    """Yield the rows of `tables` in pieces of at most `most` rows, each with its number of rows."""
    for table in tables:
        rows = rows_of(table) if isinstance(table, Mapping) else len(table)
        for start in range(0, rows, most):
            own = slice(start, min(start + most, rows))
            if rows <= most:
                yield table, rows
            elif isinstance(table, Mapping):
                yield {name: values[own] for name, values in table.items()}, own.stop - start
            else:
                yield table[own], own.stop - start


@contextmanager
def _as_invalid_request(
    at: Place | str, row_at: Callable[[int], Place] | None = None, *, start: int = 0
) -> Generator[None]:
    """Raise the library's errors as `InvalidRequest`, with their places within `at`.

    Those of rows, counted from `start`, are within what `row_at` gives instead.
    """
    try:
        yield
    except InvalidInput as error:
        match error.place:
            case ("rows", int(row), *rest) if row_at is not None:
                place = Place(row_at(start + row), *rest)
            case inner:
                place = Place(at, () if inner == Place("table") else inner)
        raise InvalidRequest(error.detail, pointer=place, reason=error.reason) from error


def listed(names: Iterable[str]) -> str:
    """Return the names of columns as errors show them."""
    given = list(names)
    return ", ".join(map(readable, given[:20])) + (", …" if len(given) > 20 else "")
