"""What to train on, as the arguments of `Client.train` say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerwise_proto.json_form import HasJSONForm


@dataclass(frozen=True, slots=True)
class Rows:
    """What to train on: the arguments of `Client.train` of the same names."""

    X: object
    y: object
    columns: Mapping[str, Any] | None
    ignore: Iterable[str]
    encoder: Mapping[str, Any] | HasJSONForm | None
    weights: object
    task: str | None
    validation: object
