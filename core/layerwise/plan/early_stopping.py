"""The rule by which a training ends early, checked when made; stopping.py follows it."""

from dataclasses import dataclass, fields
from typing import Annotated

from layerwise.checks import fields as checked_fields
from layerwise.limits import Count, NotNegative, OneOf, check_fields
from layerwise.optimizers.schedules import WATCHED


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stops when `watch`, a value of the epochs' records, has not improved for `patience` epochs.

    It improves by more than `tolerance` or not at all; a loss by falling, a metric by rising. With `restore` the
    network ends with the weights of its best epoch, else with its last. Prechelt 1998. Raises InvalidInput.
    """

    watch: Annotated[str, OneOf(WATCHED)] = "validation_loss"
    patience: Count = 10
    tolerance: NotNegative = 0.0
    restore: bool = True

    def __post_init__(self) -> None:
        check_fields(self)

    def to_json(self) -> dict[str, object]:
        """The fields, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_json(value: object) -> "EarlyStopping":
        """What the JSON `value` describes. Raises InvalidInput."""
        given = checked_fields("", value, known=[field.name for field in fields(EarlyStopping)])
        return EarlyStopping(**given)  # type: ignore[arg-type]  # the constructor checks the types
