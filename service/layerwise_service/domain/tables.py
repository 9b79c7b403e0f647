"""Tables on their way to a network: the encoder that was chosen, fitted on what came, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise import InvalidInput, TableEncoder
from layerwise.errors import Place
from layerwise_service.domain.datasets import Table, rows_of
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.settings import Settings

BLOCK_NUMBERS = 2**22
"""How many numbers are made of a table at once, 16 MiB of float32, unless it is a single row."""
AnyTable = Table | Sequence[Mapping[str, Any]]
"""A table by its columns or, as JSON has it, by its rows."""


def read_encoder(sent: Mapping[str, object]) -> TableEncoder:
    """The encoder that was chosen, not yet fitted. Raises `InvalidRequest`."""
    with _refused("encoder"):
        return TableEncoder.from_json({name: value for name, value in sent.items() if name != "fitted"})


def check_names(sent: Mapping[str, object], table: Table) -> None:
    """Raises `InvalidRequest` if an encoding is chosen for a column that the table does not have."""
    for name in cast("Mapping[str, object]", sent.get("columns", {})):
        if name not in table:
            detail = f"expected a column of this name, there are {listed(table)}"
            raise InvalidRequest(detail, pointer=Place("encoder", "columns", name))


def check_scaled_once(encoder: TableEncoder, architecture: Mapping[str, object], table: Table | None = None) -> None:
    """Raises `InvalidRequest` if inputs that `encoder` has scaled are to be scaled again by the network.

    One that is not yet fitted is asked what it makes of the columns of `table`.
    """
    scale = cast("float", architecture.get("input_scale") or 1.0)
    shift = cast("float", architecture.get("input_shift") or 0.0)
    with _refused("architecture"):
        if table is None:
            encoder.check_scaled_once(scale, shift)
        else:
            encoder.check_choices_scaled_once(table, scale, shift)


def fit_encoder(sent: Mapping[str, object], tables: Iterable[Table], row_at: Callable[[int], Place]) -> TableEncoder:
    """The encoder that was chosen, fitted on all `tables`.

    Raises `InvalidRequest`; `row_at` gives the place of a row, counted over all tables.
    """
    encoder = read_encoder(sent)
    with _refused("encoder", row_at):
        return encoder.fit_blocks(tables)


def check_encoded(width: int, *, rows: int, outputs: int, settings: Settings) -> None:
    """Raises `TooLarge` if so many outputs of an encoder are too many, or too many for so many rows."""
    if width > settings.max_features:
        detail = f"expected columns of at most {settings.max_features} outputs together, got {width}"
        raise TooLarge(f"{detail}; fewer categories may be kept, or columns ignored", pointer="encoder")
    size = rows * (width + outputs) * 4
    if size > settings.max_dataset_bytes:
        detail = f"a dataset may have {settings.max_dataset_bytes} bytes, {rows} rows of {width} outputs need {size}"
        raise TooLarge(detail, pointer="encoder", reason="DATASET_TOO_LARGE")


def encoded(
    encoder: TableEncoder, tables: Iterable[AnyTable], row_at: Callable[[int], Place], *, table: Place | str
) -> Iterator[NDArray[np.float32]]:
    """What `encoder` makes of the rows of `tables`, (n, width), in blocks of bounded memory.

    Raises `InvalidRequest`; `row_at` gives the place of a row, counted over all tables, `table` is that of the table.
    """
    start = 0
    for block, count in _pieces(tables, max(1, BLOCK_NUMBERS // encoder.width)):
        with _refused(table, row_at, start=start):
            rows = encoder.encode(block)
        yield cast("NDArray[np.float32]", rows)
        start += count


def _pieces(tables: Iterable[AnyTable], most: int) -> Iterator[tuple[AnyTable, int]]:
    """The rows of `tables`, at most so many at once, and how many they are."""
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
def _refused(at: Place | str, row_at: Callable[[int], Place] | None = None, *, start: int = 0) -> Generator[None]:
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
    """The names of columns, as an error shows them."""
    given = list(names)
    return ", ".join(given[:20]) + (", …" if len(given) > 20 else "")
