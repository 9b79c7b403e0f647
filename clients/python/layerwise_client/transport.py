"""The interface of a transport, which sends predictions to a service: `Client(transport=...)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise_client._data.table_rows import TableBlock
    from layerwise_client.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Signature:
    """Form of the rows that a version takes. It never changes.

    Attributes
    ----------
    model : str
        Name of the model.
    version : int
        Number of the version.
    columns : mapping of str to str
        Kind of each column, "number", "category" or "date", by its name, in the order of the columns; empty if the
        version takes rows of numbers.
    """

    model: str
    version: int
    columns: Mapping[str, str]


class Transport(Protocol):
    """Sends predictions to a service. The SDK has two: gRPC, and HTTP for `rest=`.

    Many threads may call it at once. It raises the errors of `layerwise_client`, such as `NotFound` and `Unavailable`.
    """

    @property
    def number_bytes(self) -> int:
        """Largest size of a number in a request, in bytes, by which the client splits rows into requests."""
        ...

    def signature(self, model: str, version: str) -> Signature:
        """Return the form of the rows that a version takes.

        Parameters
        ----------
        model : str
            Name of the model; "" if the service has exactly one.
        version : str
            Number or alias; "" for the newest version.

        Returns
        -------
        Signature
            The form of the rows, with the name of the model and the number of the version.
        """
        ...

    def predict(
        self, model: str, version: str, rows: npt.NDArray[np.float32] | TableBlock, *, explain: bool = False
    ) -> Prediction:
        """Predict rows in one request.

        Parameters
        ----------
        model, version : str
            As in `signature`.
        rows : numpy.ndarray or TableBlock
            Numbers (n, features), float32, or n rows of a table.
        explain : bool
            Whether the prediction shall have contributions. Only passed if it is True.

        Returns
        -------
        Prediction
            The predictions, one for each row.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...
