"""Models, their immutable versions and their movable aliases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layerwise_service.domain.columns import ColumnCounts
from layerwise_service.domain.datasets import Label
from layerwise_service.domain.jobs import JSONObject

MOST_CLASSES = 100
"""Classes that a version comes with; the others are asked for."""
MOST_ALIASES = 100
"""Of one model."""


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A version in short, as lists have it."""

    model: str
    number: int
    job: str
    created: float
    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    parameters: int
    dataset: str


@dataclass(frozen=True, slots=True)
class Version:
    """One trained network. `labels` are the classes in the order of the outputs, None for a regression.

    `columns` counts those of a version that takes tables; its encoder is that of its job.
    """

    model: str
    number: int
    job: str
    created: float
    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    architecture: JSONObject
    plan: JSONObject
    parameters: int
    dataset: str
    labels: tuple[Label, ...] | None
    columns: ColumnCounts | None = None

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"


@dataclass(frozen=True, slots=True)
class Model:
    """A name of versions, with aliases; `latest` is the newest version's number."""

    name: str
    latest: int
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What predicting needs to know of a model: the artefact of each version, and what the aliases point at."""

    name: str
    latest: int
    aliases: Mapping[str, int]
    artifacts: Mapping[int, str]
