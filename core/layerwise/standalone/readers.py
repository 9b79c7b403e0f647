"""Source code of the functions that read and encode columns, by name.

Those that read a cell are copies of the library's own, from the modules of `COPIED`.
"""

import ast
import inspect
from types import ModuleType
from typing import cast

from layerwise.standalone.layers import Functions
from layerwise.tables import cells, names, times, words
from layerwise.tables.date_column import LENGTHS
from layerwise.tables.times import EPOCH

COPIED: tuple[ModuleType, ...] = (cells, names, times, words)
"""Modules whose functions and constants that programs use stand alone: they use each other, the standard library and
NumPy."""


def copied() -> Functions:
    """Return the source of each function and constant of the modules `COPIED`, by name, in their order."""
    found: Functions = {}
    for module in COPIED:
        source = inspect.getsource(module)
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef):
                name = node.name
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                name = cast(ast.Name, target).id
            else:
                continue
            text = ast.get_source_segment(source, node)
            assert text is not None
            found[name] = f"{text}\n"
    return found


def called_by(source: str) -> Functions:
    """Return those of `FUNCTIONS` that `source` uses, and those that they use, by name and in their order."""
    wanted: set[str] = set()
    left = [source]
    while left:
        used = {node.id for node in ast.walk(ast.parse(left.pop())) if isinstance(node, ast.Name)}
        new = (used & FUNCTIONS.keys()) - wanted
        wanted |= new
        left += [FUNCTIONS[name] for name in new]
    return {name: source for name, source in FUNCTIONS.items() if name in wanted}


FUNCTIONS: Functions = copied() | {
    "values_of": '''\
def values_of(table, name):
    """Return the cells of a column of `table`: columns by name, or a list of dicts."""
    try:
        return list(table[name]) if hasattr(table, "keys") else [row[name] for row in table]
    except KeyError:
        raise ValueError(f"expected a value of {name!r} in every row") from None
''',
    "cells": '''\
def cells(table, name, read, wanted, gaps):
    """Return the values of a column, as `read` gives them, with None for gaps, unless `gaps` are an error."""
    found = []
    for i, cell in enumerate(values_of(table, name)):
        try:
            value = read(cell)
            if (value is None and not gaps) or (isinstance(value, float) and not math.isfinite(value)):
                raise ValueError
            if isinstance(value, str):
                value.encode()  # lone surrogates are no text
        except (ValueError, OverflowError):
            raise ValueError(f"row {i}, {name!r}: expected {wanted}, got {cell!r}") from None
        found.append(value)
    return found
''',
    "note": '''\
def note(warn, table, name, values, gaps=True, usual=None, known=None):
    """Call `warn` with a line about values that are unlike those in training: None if it had no `gaps`, numbers that
    are not within `usual`, categories whose CRC-32 is not in `known`.
    """
    if warn is None:
        return
    rows = {}
    known = known and set(known)
    for i, value in enumerate(values):
        if value is None:
            if not gaps:
                rows.setdefault("training had no gaps in this column", []).append(i)
        elif usual and not usual[0] <= value <= usual[1]:
            rows.setdefault("this is far outside the range in training", []).append(i)
        elif known and zlib.crc32(value.encode()) not in known:
            rows.setdefault("training had no such category", []).append(i)
    for why, found in rows.items():
        first = values_of(table, name)[found[0]]
        count = "" if len(found) == 1 else f"{len(found)} rows, first "
        warn(f"{name}: {count}row {found[0]}, {first!r}: {why}")
''',
    "numbers": '''\
def numbers(values, fill):
    """Return numbers (n, 1), with `fill` for missing ones."""
    return np.array([fill if value is None else value for value in values], float).reshape(-1, 1)
''',
    "missing_flags": '''\
def missing_flags(values):
    """Return 1 where the value is missing, else 0, (n, 1)."""
    return np.array([value is None for value in values], float).reshape(-1, 1)
''',
    "logarithms": '''\
def logarithms(x, name, clip):
    """Return log(1 + x); negative numbers count as 0, or are an error."""
    if not clip and (x < 0).any():
        i = int(np.argmax(x < 0))
        raise ValueError(f"row {i}, {name!r}: expected a number of at least 0, got {x[i, 0]}")
    return np.log1p(np.maximum(x, 0))
''',
    "ranks": '''\
def ranks(x, quantiles):
    """Return the share of the quantiles below x (n, 1), interpolated; among equal ones, the middle of them."""
    known = np.array(quantiles)
    last = len(known) - 1
    below, upto = np.searchsorted(known, x, "left"), np.searchsorted(known, x, "right")
    left, right = known[(below - 1).clip(0, last)], known[below.clip(0, last)]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below - 1 + (x - left) / (right - left)
    rank = np.where(upto > below, (below + upto - 1) / 2, between) / last
    return np.where(x <= known[0], 0, np.where(x >= known[-1], 1, rank))
''',
    "places": '''\
def places(values, name, categories, others, missing):
    """Return the position of each category, `others` for unseen ones, `missing` for missing values."""
    known = {category: place for place, category in enumerate(categories)}
    found = [missing if value is None else known.get(value, others) for value in values]
    if "error" in found:
        i = found.index("error")
        raise ValueError(f"row {i}, {name!r}: expected one of {', '.join(categories[:10])}, got {values[i]!r}")
    return np.array(found, int)
''',
    "hashed_places": '''\
def hashed_places(values, buckets, missing):
    """Return the bucket of each category, by its CRC-32; `missing` for missing values."""
    return np.array([missing if v is None else zlib.crc32(v.encode()) % buckets for v in values], int)
''',
    "words": '''\
def words(values, buckets, width):
    """Return the shares of the buckets of words and trigrams, (n, width), and 1 in a last column if text is missing."""
    found = np.zeros((len(values), width))
    for row, value in zip(found, values):
        for place, share in ({buckets: 1.0} if value is None else hashed_words(value, buckets)).items():
            if place < width:
                row[place] = share
    return found
''',
    "one_hot": '''\
def one_hot(places, width):
    """Return 1 at the position of each row, else 0, (n, width); only zeros for -1."""
    return (np.arange(width) == places[:, None]).astype(float)
''',
    "ordinal": '''\
def ordinal(places, known, width):
    """Return 1/known, 2/known … 1 for known categories, else 0; then outputs for further positions, (n, width)."""
    inside = (places >= 0) & (places < known)
    return np.column_stack([np.where(inside, (places + 1) / known, 0), one_hot(places - known, width - 1)])
''',
    "date_parts": f'''\
def date_parts(values, name, parts, shift, scale, missing):
    """Return the scaled year, other parts from 0 to 1, sine and cosine of cyclic parts, and a missing indicator."""
    lengths = {LENGTHS!r}
    found = []
    for i, seconds in enumerate(values):
        if seconds is None:
            found.append(None)
            continue
        days, rest = divmod(seconds, 86400)
        try:
            day = date.fromordinal(days + {EPOCH})
        except (ValueError, OverflowError):
            raise ValueError(f"row {{i}}, {{name!r}}: expected a date of the years 1 to 9999") from None
        numbers = {{"month": day.month - 1, "day": day.day - 1, "weekday": day.weekday()}}
        numbers |= {{"hour": rest // 3600, "minute": rest // 60 % 60, "time": rest}}
        row = []
        for part in parts:
            stem = part.replace("_cycle", "")
            if part == "year":
                row.append((day.year - shift) / scale)
            elif part == stem:
                row.append(numbers[part] / (lengths[part] - 1))
            else:
                turn = 2 * math.pi * numbers[stem] / lengths[stem]
                row += [math.sin(turn), math.cos(turn)]
        found.append(row + [0] * (missing == "indicator"))
    width = sum(1 + part.endswith("_cycle") for part in parts)
    absent = [0] * width + [1] * (missing == "indicator")
    return np.array([absent if row is None else row for row in found], float).reshape(-1, len(absent))
''',
}
"""The functions by name. Whoever uses one also adds those that it calls."""

READ_TABLE = '''\
def read(text):
    """Return the rows in `text`: a JSON list of objects, or CSV with a header."""
    text = text.removeprefix("\\ufeff")  # byte order mark of spreadsheets
    if text.lstrip().startswith("["):
        return json.loads(text)
    lines = csv.reader(io.StringIO(text))
    names = column_names(next(lines, []), COLUMNS)
    rows = [dict(zip(names, line, strict=True)) for line in lines if line]
    if not rows:
        raise ValueError(f"expected a line of column names and lines of values, got only {names}")
    return rows


def is_table(X):
    """Return whether `X` has columns by name, or is a list of dicts."""
    return hasattr(X, "keys") or (isinstance(X, list) and bool(X) and hasattr(X[0], "keys"))
'''
