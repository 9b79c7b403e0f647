"""The rule of early stopping; `training.stopping` applies it."""

from dataclasses import dataclass, fields
from typing import Annotated

from layerwise.checks import fields as checked_fields
from layerwise.limits import Count, NotNegative, OneOf, check_fields
from layerwise.optimizers.schedule import WATCHED


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop training when a value of the epochs has not improved for some epochs. Prechelt 1998.

    Parameters
    ----------
    watch : {"validation_loss", "validation_metric", "loss", "metric"}, default "validation_loss"
        The value of the records. A loss improves by falling, a metric by rising.
    patience : int, default 10
        Epochs without improvement before training stops.
    tolerance : float, default 0
        The value must change by more than this to improve.
    restore : bool, default True
        Return to the weights of the best epoch when training ends.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    watch: Annotated[str, OneOf(WATCHED)] = "validation_loss"
    patience: Count = 10
    tolerance: NotNegative = 0.0
    restore: bool = True

    def __post_init__(self) -> None:
        check_fields(self)

    def to_json(self) -> dict[str, object]:
        """Return the JSON form.

        Returns
        -------
        dict
            The fields by name.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_json(value: object) -> "EarlyStopping":
        """Return the rule of a JSON form; missing fields have their defaults.

        Parameters
        ----------
        value : dict
            As `to_json` returns it.

        Returns
        -------
        EarlyStopping

        Raises
        ------
        InvalidInput
            At the field that is wrong.
        """
        given = checked_fields("", value, known=[field.name for field in fields(EarlyStopping)])
        return EarlyStopping(**given)  # type: ignore[arg-type]  # the constructor checks the types
