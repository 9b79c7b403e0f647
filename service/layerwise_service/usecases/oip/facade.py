"""Everything that the Open Inference Protocol can ask, for the two ways in which it comes."""

from __future__ import annotations

from dataclasses import dataclass

from layerwise_service.usecases.oip.inference import Inference
from layerwise_service.usecases.oip.metadata import Metadata
from layerwise_service.usecases.oip.repository import Repository
from layerwise_service.usecases.oip.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Oip:
    """The use-cases of the protocol."""

    inference: Inference
    metadata: Metadata
    repository: Repository
    statistics: Statistics
