"""Where in what was sent an error of the service is, in the words of who sent it: row and column of X, row of y."""

from __future__ import annotations

import re
from collections.abc import Sequence

from layerwise_client.errors import InvalidRequest

_CELL = re.compile(r"(?:batches\[(\d+)\]\.)?table\.rows\[(\d+)\]\.(.+)", re.DOTALL)
_COLUMN = re.compile(r"(?:batches\[\d+\]\.)?(?:table|encoder)\.columns\.(.+)", re.DOTALL)

_ROW = re.compile(r"batches\[(\d+)\]\.(rows|labels|targets|weights)\[(\d+)\](?:\[(\d+)\])?")
_INSTANCE = re.compile(r"#/instances/(\d+)/(.+)", re.DOTALL)  # RFC 6901, as REST has it


def placed(error: InvalidRequest, starts: Sequence[int]) -> InvalidRequest:
    """`error` with row and column of X, or row of y, if it is about those; `starts` are the first rows of batches."""
    prefix = f"{error.pointer}: "
    if (instance := _INSTANCE.fullmatch(error.pointer)) is not None:
        column = instance[2].replace("~1", "/").replace("~0", "~")
        row = int(instance[1]) + starts[0]
        where, pointer = f"X row {row}, column {column}", f"X[{row}].{column}"
        by_place = f"instances[{instance[1]}][{column}]: "  # by a version that takes rows of numbers
        if str(error).startswith(by_place):
            prefix, pointer = by_place, f"X[{row}][{column}]"
        else:
            prefix = f"instances[{instance[1]}].{column}: "
    elif (cell := _CELL.fullmatch(error.pointer)) is not None:
        batch, row, column = int(cell[1] or 0), int(cell[2]), cell[3]
        if batch >= len(starts):
            return error
        row += starts[batch]
        where, pointer = f"X row {row}, column {column}", f"X[{row}].{column}"
    elif (found := _COLUMN.fullmatch(error.pointer)) is not None:
        where, pointer = f"X column {found[1]}", f"X[{found[1]!r}]"
    elif (found := _ROW.fullmatch(error.pointer)) is not None and int(found[1]) < len(starts):
        row, column = starts[int(found[1])] + int(found[3]), found[4]
        name = {"rows": "X", "weights": "weights"}.get(found[2], "y")
        where = f"{name} row {row}" + (f", column {column}" if column else "")
        pointer = f"{name}[{row}]" + (f"[{column}]" if column else "")
    else:
        return error
    detail = str(error).removeprefix(prefix)
    return InvalidRequest(f"{where}: {detail}", reason=error.reason, pointer=pointer, request_id=error.request_id)
