"""Source code of the functions that read and encode columns, by name."""

from layerwise.standalone.layers import Functions
from layerwise.tables.cells import ABSENT, BOOLEANS
from layerwise.tables.date_column import LENGTHS

FUNCTIONS: Functions = {
    "values_of": '''\
def values_of(table, name):
    """Return the cells of a column of `table`: columns by name, or a list of dicts."""
    try:
        return list(table[name]) if hasattr(table, "keys") else [row[name] for row in table]
    except KeyError:
        raise ValueError(f"expected a value of {name!r} in every row") from None
''',
    "is_missing": """\
def is_missing(value):
    names = ("NAType", "NaTType", "MaskedConstant")
    return value is None or type(value).__name__ in names or value == "" or value != value
""",
    "is_absent": f"""\
def is_absent(value):
    return is_missing(value) or value in {tuple(sorted(ABSENT - {""}))!r}
""",
    "numbers": '''\
def numbers(table, name, fill):
    """Return a column of numbers (n, 1), with `fill` for missing ones; if it is None, they are an error."""
    found = []
    for i, value in enumerate(values_of(table, name)):
        try:
            if is_absent(value):
                number = math.nan if fill is None else fill
            else:
                number = math.nan if "_" in str(value) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"row {i}, {name!r}: expected a number, got {value!r}")
        found.append(number)
    return np.array(found, float).reshape(-1, 1)
''',
    "missing_flags": '''\
def missing_flags(table, name):
    """Return 1 where the value is missing, else 0, (n, 1)."""
    return np.array([is_absent(value) for value in values_of(table, name)], float).reshape(-1, 1)
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
    "text_of": f'''\
def text_of(value):
    """Return the text that identifies a category: "true" or "false" for booleans, no fraction for whole numbers."""
    value = value.item() if isinstance(value, np.generic) else value
    if is_missing(value):
        return ""
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"expected a text, a boolean or a whole number as a category, got {{value!r}}")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return {BOOLEANS!r}.get(text, text)
''',
    "places": '''\
def places(table, name, categories, others, missing):
    """Return the position of each category, `others` for unseen ones, `missing` for missing values."""
    known = {category: place for place, category in enumerate(categories)}
    found = []
    for i, value in enumerate(values_of(table, name)):
        text = text_of(value)
        place = known.get(text, others) if text else missing
        if place == "error":
            wanted = f"one of {', '.join(categories[:10])}" if text else "a category"
            raise ValueError(f"row {i}, {name!r}: expected {wanted}, got {value!r}")
        found.append(place)
    return np.array(found, int)
''',
    "hashed_places": '''\
def hashed_places(table, name, buckets, missing):
    """Return the bucket of each category, by its CRC-32; `missing` for missing values."""
    found = []
    for i, value in enumerate(values_of(table, name)):
        text = text_of(value)
        if not text and missing == "error":
            raise ValueError(f"row {i}, {name!r}: expected a category, got {value!r}")
        found.append(zlib.crc32(text.encode()) % buckets if text else missing)
    return np.array(found, int)
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
def date_parts(table, name, parts, shift, scale, missing):
    """Return the scaled year, other parts from 0 to 1, sine and cosine of cyclic parts, and a missing indicator."""
    lengths = {LENGTHS!r}
    found = []
    for i, value in enumerate(values_of(table, name)):
        if is_absent(value):
            if missing == "error":
                raise ValueError(f"row {{i}}, {{name!r}}: expected a date, got {{value!r}}")
            found.append(None)
            continue
        try:
            text = str(value)
            if text[4:5] != "-" or text[7:8] != "-":
                raise ValueError
            time = datetime.datetime.fromisoformat(text)
            time = time.astimezone(datetime.timezone.utc) if time.tzinfo else time
        except (ValueError, OverflowError):
            raise ValueError(f"row {{i}}, {{name!r}}: expected a date in ISO 8601, got {{value!r}}") from None
        numbers = {{"month": time.month - 1, "day": time.day - 1, "weekday": time.weekday()}}
        numbers |= {{"hour": time.hour, "minute": time.minute}}
        row = []
        for part in parts:
            stem = part.removesuffix("_cycle")
            if part == "year":
                row.append((time.year - shift) / scale)
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
    names = [name if name in COLUMNS else name.strip() for name in next(lines, [])]
    if len(set(names)) != len(names):
        raise ValueError(f"expected distinct column names, got {names}")
    rows = [dict(zip(names, line, strict=True)) for line in lines if line]
    if not rows:
        raise ValueError(f"expected a line of column names and lines of values, got only {names}")
    return rows


def is_table(X):
    """Return whether `X` has columns by name, or is a list of dicts."""
    return hasattr(X, "keys") or (isinstance(X, list) and bool(X) and hasattr(X[0], "keys"))
'''
