"""The importance of each column for a network's predictions, and its table."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from layerwise.evaluation.report import importance_report


@dataclass(frozen=True, slots=True)
class Importance:
    """How much the metric falls when the values of one column are shuffled.

    Attributes
    ----------
    name : str or int
        Name of the column, or index of the feature.
    mean, deviation : float
        Mean and standard deviation of the fall over the repeats.
    """

    name: str | int
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Importances:
    """Permutation importances, returned by `permutation_importance`; `print` shows them as a table.

    Attributes
    ----------
    metric : {"accuracy", "r2"}
        What was measured.
    score : float
        The metric of the rows as they are.
    rows : int
        Number of rows.
    repeats : int
        How often each column was shuffled.
    columns : tuple of Importance
        Of each column or feature, the largest mean first.
    """

    metric: str
    score: float
    rows: int
    repeats: int
    columns: tuple[Importance, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Importances":
        """Return the importances of a JSON form.

        Parameters
        ----------
        value : mapping
            The fields by name; whole numbers may be floats.

        Returns
        -------
        Importances
        """
        columns = tuple(
            Importance(
                each["name"] if isinstance(each["name"], str) else int(each["name"]), each["mean"], each["deviation"]
            )
            for each in value["columns"]
        )
        return cls(value["metric"], value["score"], int(value["rows"]), int(value["repeats"]), columns)

    def __str__(self) -> str:
        return importance_report(asdict(self))
