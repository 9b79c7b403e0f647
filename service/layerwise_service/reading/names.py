"""Names of columns, made visible and different."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from layerwise.checks import shown
from layerwise.tables.doubt import Doubt
from layerwise_service.errors import InvalidRequest


def clean_names(given: Sequence[str]) -> tuple[tuple[str, ...], tuple[Doubt, ...]]:
    """Return the names of columns without invisible characters, and what was changed.

    A column without a name is called after its place: column1, column2, … Raises `InvalidRequest` for a name that
    comes twice.
    """
    doubts: list[Doubt] = []
    places: dict[str, int] = {}
    for place, name in enumerate(given, 1):
        clean = " ".join("".join(sign for sign in name if unicodedata.category(sign) != "Cf").split())
        if not clean:
            clean = f"column{place}"
            index = "; ignore it if it is the index of a DataFrame" if place == 1 else ""
            doubts.append(Doubt("NO_NAME", f"column {place} has no name and is called {clean}{index}", "ignore"))
        elif clean != name.strip(" "):
            doubts.append(Doubt("RENAMED", f"{shown(name)} is called {shown(clean)}: blanks or invisible characters"))
        if clean in places:
            detail = f"expected different names of columns, got {shown(clean)} for columns {places[clean]} and {place}"
            raise InvalidRequest(f"{detail}: rename one{_header_hint(given)}", reason="SAME_NAME")
        places[clean] = place
    return tuple(places), tuple(doubts)


def _header_hint(given: Sequence[str]) -> str:
    numbers = sum(name.strip().lstrip("+-").replace(".", "", 1).isdigit() for name in given)
    return ", or put a line with names first if this is a row" if 2 * numbers >= len(given) else ""
