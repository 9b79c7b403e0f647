"""Errors that name a place in X, y or weights, and translation of the service's errors into such."""

from __future__ import annotations

from collections.abc import Sequence

from layerwise_client.errors import InvalidRequest

Steps = tuple[str | int, ...]


def invalid(place: str | Steps, detail: str, *, reason: str = "", request_id: str = "") -> InvalidRequest:
    """Return the error at `place`, an argument or the steps to a part of one; `detail` says what is wrong there."""
    steps = (place,) if isinstance(place, str) else place
    return InvalidRequest(
        f"{place_words(steps)}: {detail}", reason=reason, pointer=steps, request_id=request_id, detail=detail
    )


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


def placed(error: InvalidRequest, starts: Sequence[int]) -> InvalidRequest:
    """Return the service's `error` with its place in X, y or weights; unchanged if it is about something else.

    `starts` are the numbers of the first rows of the batches that were sent.
    """
    match error.place:
        case ("batches", int(batch), "table", "rows", int(row), *rest) if batch < len(starts):
            place: Steps = ("X", starts[batch] + row, *rest)
        case ("batches", int(batch), "rows" | "labels" | "targets" | "weights" as part, int(row), *rest) if batch < len(
            starts
        ):
            place = ({"rows": "X", "weights": "weights"}.get(part, "y"), starts[batch] + row, *rest)
        case ("instances" | "rows", int(row), *rest) | ("table", "rows", int(row), *rest):
            place = ("X", starts[0] + row, *rest)
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
