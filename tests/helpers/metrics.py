"""What /metrics says, as numbers by series."""

from __future__ import annotations

import re
from collections.abc import Callable

_LABEL = re.compile(r'(\w+)="([^"]*)"')
Sample = tuple[str, frozenset[tuple[str, str]]]


def series(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


def samples(text: str) -> dict[Sample, float]:
    """Every number of a page of metrics, by its name and labels, as they are written."""
    found: dict[Sample, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0], frozenset(_LABEL.findall(name))] = float(value)
    return found


def growth(read: Callable[[], str], work: Callable[[], object]) -> dict[Sample, float]:
    """By how much each number is higher after `work`; those that stay are left out."""
    before = samples(read())
    work()
    return {
        name: value - before.get(name, 0.0) for name, value in samples(read()).items() if value != before.get(name, 0.0)
    }
