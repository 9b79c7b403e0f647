"""Parts of the program that are the same for all networks: reading of rows, self-check, command line."""

IMPORTS = """\
import base64
import csv
import io
import json
import sys

import numpy as np
"""
IMPORTS_OF_TABLES = """\
from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
import sys
import unicodedata
import zlib
from datetime import date, datetime, time, timezone
from decimal import Decimal
from numbers import Real

import numpy as np
"""

CHECKED = '''\
def checked(X):
    """Return `X` as an array (n, INPUTS) of finite numbers. Raises ValueError, naming row and column."""
    if not isinstance(X, np.ndarray) or X.dtype == object:
        X = list(X)
        for i, row in enumerate(X):
            if isinstance(row, str) or not hasattr(row, "__len__"):
                raise ValueError(f"row {i}: expected a list of {INPUTS} numbers, got {row!r}")
            if len(row) != INPUTS:
                raise ValueError(f"row {i}: expected {INPUTS} numbers, got {len(row)}")
            for j, value in enumerate(row):
                if isinstance(value, str) or not (np.isscalar(value) and is_number(value)):
                    raise ValueError(f"row {i}, column {j}: expected a number, got {value!r}")
        X = np.array(X).reshape(-1, INPUTS)
    if X.ndim != 2 or X.shape[1] != INPUTS:
        raise ValueError(f"expected an array of shape (n, {INPUTS}), got {X.shape}")
    with np.errstate(over="ignore"):
        x = X.astype(DTYPE)
    if not np.isfinite(x).all():
        i, j = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"row {i}, column {j}: expected a finite number within {DTYPE}, got {X[i, j]}")
    return x


def is_number(value):
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
'''

READ = '''\
def read(text):
    """Return the rows in `text`: a JSON list of rows, or CSV, whose first line may be a header."""
    text = text.removeprefix("\\ufeff")  # byte order mark of spreadsheets
    if text.lstrip().startswith("["):
        return json.loads(text)
    lines = [line for line in csv.reader(io.StringIO(text)) if line]
    if lines and not any(is_number(cell) for cell in lines[0]):
        del lines[0]
    if not lines:
        raise ValueError(f"expected lines of {INPUTS} numbers, got none")
    for i, line in enumerate(lines):
        for j, cell in enumerate(line):
            if not is_number(cell):
                raise ValueError(f"row {i}, column {j}: expected a number, got {cell!r}")
    return [[float(cell) for cell in line] for line in lines]
'''

CHECK = '''\
def check():
    """Check the outputs for the rows below against those that the network had when this file was written."""
    found = outputs(probe_rows)
    most = np.abs(found - probe_outputs).max()
    allowed = 1e-4 * max(1.0, np.abs(probe_outputs).max())
    if not most <= allowed:
        sys.exit(f"the outputs differ by {most:.3g} from those expected; rounding explains at most {allowed:.3g}")
    print(f"ok: the outputs of {len(found)} rows differ by at most {most:.3g} from those expected")
'''

ARRAY = '''\
def array(shape, text):
    """Return the array of little-endian numbers that `text` has in base64."""
    return np.frombuffer(base64.b64decode(text), np.dtype(DTYPE).newbyteorder("<")).reshape(shape).astype(DTYPE)
'''

MAIN = """\
if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
        sys.exit()
    files = [each for each in sys.argv[1:] if each not in {flags}]
    if len(files) > 1 or any(each.startswith("-") for each in files):
        sys.exit(__doc__)
    try:
        with open(files[0], encoding="utf-8") if files else sys.stdin as file:
            rows = read(file.read()){warned}
        answers = {answers}
    except (OSError, ValueError) as error:
        sys.exit(f"{{sys.argv[0]}}: {{error}}")
    for answer in answers.tolist():
        print(json.dumps(answer, ensure_ascii=False))
"""
"""Filled in by `format`: the flags that it takes, `WARNED` or nothing, and the expression of the predictions."""

WARNED = """
        encoded(rows, warn=lambda line: print(f"warning: {line}", file=sys.stderr))"""
"""Of a network that takes tables."""
