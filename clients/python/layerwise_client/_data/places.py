"""Errors that name a place in X, y or weights, and translation of the service's errors into such."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from layerwise_client.errors import InvalidRequest

Steps = tuple[str | int, ...]
ALL_ROWS = range(sys.maxsize)
"""The rows of a file, however many it has."""


def invalid(place: str | Steps, detail: str, *, reason: str = "", request_id: str = "") -> InvalidRequest:
    """Return the error at `place`, an argument or the steps to a part of one; `detail` says what is wrong there."""
    steps = (place,) if isinstance(place, str) else place
    return InvalidRequest(
        f"{place_words(steps)}: {detail}", reason=reason, pointer=steps, request_id=request_id, detail=detail
    )


@contextmanager
def hinting_at_gaps(write: str) -> Generator[None]:
    """Say, in the error of a cell that may be a word for a missing value, how to `write` that; not in its detail."""
    try:
        yield
    except InvalidRequest as exc:
        if exc.reason != "BAD_CELL":
            raise
        found = InvalidRequest(
            f"{exc}; {write} names such words",
            reason=exc.reason,
            pointer=exc.place,
            request_id=exc.request_id,
            detail=exc.detail,
        )
        raise found from exc


def place_words(steps: Steps) -> str:
    """Return the place as text, such as "X row 17, column distance"."""
    from layerwise.errors import Place

    match steps:
        case ("X", str(column)):
            return f"X column {column}"
        case ("X" | "y" | "weights" | "classes" as name, int(row)):
            return f"{name} row {row}"
        case ("X" | "y" | "weights" | "classes" as name, int(row), column):
            return f"{name} row {row}, column {column}"
        case _:
            return str(Place(steps))


def placed(error: InvalidRequest, batches: Sequence[Sequence[int]]) -> InvalidRequest:
    """Return the service's `error` with its place in X, y or weights; unchanged if it is about something else.

    `batches` are the numbers of the rows in each batch that was sent.
    """

    def is_sent(batch: int, row: int) -> bool:
        return batch < len(batches) and row < len(batches[batch])

    match error.place:
        case ("batches", int(batch), "table", "rows", int(row), *rest) if is_sent(batch, row):
            place: Steps = ("X", batches[batch][row], *rest)
        case ("batches", int(batch), "rows" | "labels" | "targets" | "weights" as part, int(row), *rest) if is_sent(
            batch, row
        ):
            place = ({"rows": "X", "weights": "weights"}.get(part, "y"), batches[batch][row], *rest)
        case ("instances" | "rows", int(row), *rest) | ("table", "rows", int(row), *rest) if is_sent(0, row):
            place = ("X", batches[0][row], *rest)
        case ("encoder" | "table", "columns", str(column)) | ("batches", int(), "table", "columns", str(column)):
            place = ("X", column)
        case ("instances" | "rows" | "table",) | ("batches", int(), "rows" | "table"):
            place = ("X",)
        case ("batches", int(), "labels" | "targets"):
            place = ("y",)
        case ("batches", int(), "weights"):
            place = ("weights",)
        case _:
            return error
    return invalid(place, error.detail, reason=error.reason, request_id=error.request_id)
