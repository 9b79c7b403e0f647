"""Models, their immutable versions and their movable aliases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from layerwise_service.domain.columns import ColumnCounts
from layerwise_service.domain.datasets import Label
from layerwise_service.domain.jobs import JSONObject

MOST_CLASSES = 100
"""Classes that are listed with a version; the rest comes in pages of their own."""
MOST_ALIASES = 100
"""Aliases of one model."""


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """The summary of a version, as lists show it. `job` is None if it was imported; `dataset` is None if not known."""

    model: str
    number: int
    job: str | None
    created: float
    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    parameters: int
    dataset: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """One trained network. `labels` are the classes in the order of the outputs, None for a regression.

    `job` is None if it was imported; `plan` is None if its network was imported without one. `columns` counts the
    columns of a version that takes tables. `evaluation` is the JSON form of its `layerwise.Evaluation`, None for
    versions that were imported, or of older releases.
    """

    model: str
    number: int
    job: str | None
    created: float
    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    architecture: JSONObject
    plan: JSONObject | None
    parameters: int
    dataset: str | None
    labels: tuple[Label, ...] | None
    columns: ColumnCounts | None = None
    evaluation: JSONObject | None = None

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedVersion:
    """A verified artefact, made elsewhere, that shall become a version. `preprocessing` is its encoder in JSON form."""

    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    architecture: JSONObject
    plan: JSONObject | None
    parameters: int
    dataset: str | None
    labels: tuple[Label, ...] | None
    preprocessing: JSONObject | None


@dataclass(frozen=True, slots=True)
class Model:
    """A named series of versions, with aliases; `latest` is the number of the newest version."""

    name: str
    latest: int
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The facts of a model that predicting needs: the artefact of each version, and the version of each alias.

    `deleted` has the numbers of versions that were deleted, for errors. `unloaded`: it must not be used now.
    """

    name: str
    latest: int
    aliases: Mapping[str, int]
    artifacts: Mapping[int, str]
    deleted: Collection[int] = ()
    unloaded: bool = False


@dataclass(frozen=True, slots=True)
class SignatureColumn:
    """A column that a version takes; `kind` is "number", "category" or "date"."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What a version takes: columns in this order, or rows of numbers if there are no `columns`."""

    model: str
    version: int
    columns: tuple[SignatureColumn, ...]
