"""`python -m layerwise_service.reading FOLDER OPTIONS`: read the file or table `upload` in a folder.

What the caller chose is in the file `choices` there, as JSON. The columns go to the folder `table`; what was read of
them, or the error, is written to stdout as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from layerwise_service.errors import ServiceError, TooLarge
from layerwise_service.process.lifecycle import (
    end_with_parent,
    give_way_to_serving,
    limit_blas_threads,
    make_files_private,
)


def main() -> None:
    folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    outcome = os.dup(1)
    os.dup2(2, 1)  # what else is written to stdout is no outcome
    end_with_parent(options["parent"])
    make_files_private()
    give_way_to_serving()
    limit_blas_threads(1)
    from layerwise_service.reading.exchange import ReadingLimits, error_form  # noqa: PLC0415 - loads NumPy

    found: dict[str, Any]
    try:
        found = _read(folder, ReadingLimits(**{name: options[name] for name in ReadingLimits.__slots__}))
    except ServiceError as error:
        found = {"error": error_form(error)}
    except MemoryError:
        detail = "reading takes too much memory; send fewer columns, or shorter texts"
        found = {"error": error_form(TooLarge(detail, reason="READING_TOO_LARGE"))}
    with os.fdopen(outcome, "w") as stream:
        json.dump(found, stream)
    os._exit(0)  # everything is closed; unloading NumPy and DuckDB would take 30 ms


def _read(folder: Path, limits: Any) -> dict[str, Any]:
    from layerwise_service.reading.choices import ReadingChoices  # noqa: PLC0415 - loads NumPy
    from layerwise_service.reading.exchange import CHOICES, FILE  # noqa: PLC0415

    choices = ReadingChoices.from_json(json.loads((folder / CHOICES).read_text("utf-8")))
    if (folder / FILE).is_dir():
        from layerwise_service.reading.read_table import read_table  # noqa: PLC0415

        return read_table(folder, limits, choices)
    from layerwise_service.reading.read_file import read_file  # noqa: PLC0415 - loads DuckDB

    return read_file(folder, limits, choices)


if __name__ == "__main__":
    main()
