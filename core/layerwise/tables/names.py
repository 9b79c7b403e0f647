"""Names of columns: the same header gives the same names in training and prediction, whoever reads it.

`visible_name` and `column_names` stand alone, as the functions in `cells` do.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence

from layerwise.checks import shown
from layerwise.tables.doubt import Doubt

INVISIBLE = ("Cc", "Cf")
"""Unicode's categories of characters without a shape, such as the zero-width space."""
UNNAMED = re.compile(r"Unnamed: ([0-9]+)(?:\.[0-9]+)?")
"""What pandas.read_csv calls a column without a name, by its place from 0; "Unnamed: 0.1" if there is another one."""
INDEX_LEVEL = re.compile(r"__index_level_[0-9]+__")
"""What pandas calls the index in a Parquet or an Arrow table, if it has no name."""
_MOST_SHOWN = 5


def visible_name(name: str) -> str:
    """Return a name without invisible characters, and with single blanks between its words.

    "Unnamed: 0", as pandas calls a column without a name, is column1.
    """
    kept = [sign for sign in name if sign.isspace() or unicodedata.category(sign) not in INVISIBLE]
    visible = " ".join("".join(kept).split())
    unnamed = UNNAMED.fullmatch(visible)
    return f"column{int(unnamed[1]) + 1}" if unnamed else visible


def pandas_name(name: str) -> str:
    """Return what pandas calls a column without a name that is called column1: "Unnamed: 0". Of other names, ""."""
    place = re.fullmatch("column([1-9][0-9]*)", name)
    return f"Unnamed: {int(place[1]) - 1}" if place else ""


def column_names(given: Sequence[str], known: Collection[str] = ()) -> list[str]:
    """Return the visible name of each column, all different.

    A third column without a name is called column3. If three are called a, the others are called a_2 and a_3, or by the
    next numbers that make new names. Names that are `known` stay as they are.
    """
    names = [name if name in known else visible_name(name) for name in given]
    taken = {*names}
    seen = {""}
    numbers: dict[str, int] = {}
    for place, name in enumerate(names):
        if name not in seen:
            seen.add(name)
            continue
        new = wanted = name or f"column{place + 1}"
        while new in taken:
            numbers[wanted] = numbers.get(wanted, 1) + 1
            new = f"{wanted}_{numbers[wanted]}"
        names[place] = new
        taken.add(new)
    return names


def name_doubts(given: Sequence[str], names: Sequence[str]) -> Iterator[Doubt]:
    """Yield what `column_names` changed in the names `given`, other than blanks around them."""
    same: dict[str, list[str]] = {}
    for place, (name, new) in enumerate(zip(given, names, strict=True), 1):
        visible = visible_name(name)
        if not visible or UNNAMED.fullmatch(name):
            index = "; ignore it if it is the index of a DataFrame" if place == 1 else ""
            yield Doubt("NO_NAME", f"column {place} has no name and is called {new}{index}", "ignore", column=new)
        elif new != visible:
            same.setdefault(visible, []).append(new)
        elif new != name.strip(" "):
            yield Doubt("RENAMED", f"{shown(name)} is called {shown(new)}: blanks or invisible characters")
    numbers = sum(name.strip().lstrip("+-").replace(".", "", 1).isdigit() for name in given)
    hint = "; if this line is a row, put a line with names before it" if 2 * numbers >= len(given) else ""
    for visible, others in same.items():
        more = f" and {len(others) - _MOST_SHOWN} more" if len(others) > _MOST_SHOWN else ""
        what = f"{len(others) + 1} columns are called {shown(visible)}; the others become"
        yield Doubt("SAME_NAME", f"{what} {', '.join(map(shown, others[:_MOST_SHOWN]))}{more}{hint}")
