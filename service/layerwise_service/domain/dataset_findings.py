"""Findings about a dataset: what its owner should know before training on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatasetFinding:
    """Something to know before training.

    `reason` is a stable word, `columns` are those that it is about, none if it is about the rows. `flag` is the option
    of `layerwise train` that settles it, "" if there is none.
    """

    reason: str
    columns: tuple[str, ...]
    message: str
    flag: str = ""
