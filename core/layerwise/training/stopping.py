"""Early stopping: which epoch is the best so far, and when to stop waiting for a better one."""

from collections.abc import Mapping

from layerwise.errors import InvalidInput, Place
from layerwise.model import MLP
from layerwise.plan.early_stopping import EarlyStopping
from layerwise.training.state import TrainingState


class Stopping:
    """Decides after each epoch whether to stop, by `rule`; without a rule, training never stops early."""

    def __init__(self, rule: EarlyStopping | None, *, validates: bool) -> None:
        check_watched(Place("early_stopping", "watch"), rule.watch if rule else None, validates=validates)
        self._rule = rule

    @property
    def restores(self) -> bool:
        """Whether the network ends with the weights of its best epoch."""
        return self._rule is not None and self._rule.restore

    def keeps(self, state: TrainingState) -> bool:
        """Return whether the network would end with the weights of the last epoch observed."""
        return not self.restores or state.waited == 0

    def observe(self, values: Mapping[str, float], state: TrainingState, model: MLP) -> bool:
        """Record the `values` of an epoch in `state`, and its weights if it is the best; return whether to stop."""
        rule = self._rule
        if rule is None:
            return False
        value = values[rule.watch]
        sign = 1 if rule.watch.endswith("loss") else -1
        if state.best_value is None or sign * value < sign * state.best_value - rule.tolerance:
            state.best_value, state.waited = value, 0
            state.best_metrics = dict(model.metrics)
            if rule.restore:
                state.best = model.parameters.copy()
                state.best_statistics = None if state.statistics is None else state.statistics.copy()
        else:
            state.waited += 1
        return state.waited >= rule.patience


def check_watched(pointer: Place, watch: str | None, *, validates: bool) -> None:
    """Raise InvalidInput at `pointer` if `watch` is a validation value, and no rows are held out."""
    if watch and watch.startswith("validation") and not validates:
        detail = f"{watch} needs rows that are held out: give a validation, or watch loss or metric"
        raise InvalidInput(pointer, detail)
