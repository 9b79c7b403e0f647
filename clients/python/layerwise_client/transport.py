"""How predictions travel to a service and back: the interface behind `Client(transport=...)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise_client._data.tables import TableBlock
    from layerwise_client.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Signature:
    """What a version takes. It never changes.

    `columns` are the columns of a table by name, in their order, each with its kind: "number", "category" or "date".
    They are empty if the version takes rows of numbers.
    """

    model: str
    version: int
    columns: Mapping[str, str]


class Transport(Protocol):
    """Carries questions about rows to a service. A client has two: gRPC, and HTTP for `rest=`.

    Many threads may call it at once. Errors are those of `layerwise_client`: `NotFound`, `Unavailable`, ….
    """

    @property
    def number_bytes(self) -> int:
        """The most bytes that a number takes in a request. The client cuts rows into requests by it."""
        ...

    def signature(self, model: str, version: str) -> Signature:
        """Return what a version takes.

        `model` is "" for the only one that the service has, `version` is a number, an alias, or "" for the newest.
        """
        ...

    def predict(self, model: str, version: str, rows: npt.NDArray[np.float32] | TableBlock) -> Prediction:
        """Return a prediction for each row.

        `model` and `version` are as in `signature`. `rows` are (n, features) numbers, or rows of a table: its `names`,
        and for each of them the `values`, numbers (n,) with NaN where one is missing, or a list of n texts.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...
