"""Models, their immutable versions and their movable aliases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layerwise_service.columns import ColumnInfo, columns_of
from layerwise_service.datasets import Label
from layerwise_service.jobs import JSONObject


@dataclass(frozen=True, slots=True)
class Version:
    """One trained network. `labels` are the classes in the order of the outputs, None for a regression.

    `preprocessing` is the encoder of a version that takes tables, in its JSON form.
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
    preprocessing: JSONObject | None = None

    @property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """The columns that it takes; none if it takes rows of numbers."""
        return columns_of(self.preprocessing)

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"


@dataclass(frozen=True, slots=True)
class Model:
    """A name with its versions, newest first, and aliases; `latest` is the newest version's number."""

    name: str
    latest: int
    aliases: Mapping[str, int]
    versions: tuple[Version, ...] = ()


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What predicting needs to know of a model: the artefact of each version, and what the aliases point at."""

    name: str
    latest: int
    aliases: Mapping[str, int]
    artifacts: Mapping[int, str]
