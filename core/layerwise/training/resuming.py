"""The initial state of a training, and the check of a saved state that a training resumes from."""

from collections.abc import Mapping

import numpy as np

from layerwise.checks import decided, instance, shown
from layerwise.data.reader import Split
from layerwise.errors import InvalidInput
from layerwise.model import MLP
from layerwise.optimizers.schedule import PLATEAU
from layerwise.plan import Plan
from layerwise.randomness import NOISE, stream
from layerwise.training.pace import EPOCHS
from layerwise.training.state import TrainingState
from layerwise.types import Floats


def first_state(model: MLP, plan: Plan, data: Split, *, sums: int) -> TrainingState:
    """Return the state before the first step, over the parameters of `model`; the metric needs `sums` sums."""
    parameters, optimizer = model.parameters, plan.optimizer
    kept = model.kept_optimizer if plan.keep_optimizer else None
    if kept is not None and not kept.fits(optimizer, parameters):
        kept = None
    return TrainingState(
        parameters=parameters,
        optimizer=kept.state() if kept else optimizer.init(parameters),
        updates_before=kept.updates if kept else 0,
        generator=stream(plan.seed, NOISE),
        metric_sums=np.zeros(sums),
        average=parameters.copy() if plan.average is not None else None,
        statistics=model.statistics if model.statistics.size else None,
        target_scale=data.scale.to_array() if data.scale else None,
    )


def resumed_state(
    given: TrainingState, fresh: TrainingState, model: MLP, plan: Plan, *, rows: int, batch_size: int, online: bool
) -> TrainingState:
    """Return a copy of the state `given` to resume from, over the parameters of `model`, instead of `fresh`.

    The training has `rows` rows, in batches of `batch_size`. If it is `online`, each batch is an epoch, and `given` may
    be the state of a training on any rows, ended or not. Raises InvalidInput if the state does not fit.
    """
    state = _checked_copy(given, fresh, plan, rows=rows, batch_size=batch_size, online=online)
    np.copyto(model.parameters, state.parameters)
    state.parameters = model.parameters
    if fresh.statistics is not None and state.statistics is not None:
        np.copyto(fresh.statistics, state.statistics)
        state.statistics = fresh.statistics
    if state.stopped == EPOCHS and state.epoch < decided("epochs", plan.epochs):  # the plan has more epochs now
        state.stopped = None
        state.health.pop("baseline.value", None)  # it described the network at its former end
    return state


def _checked_copy(
    given: TrainingState, fresh: TrainingState, plan: Plan, *, rows: int, batch_size: int, online: bool
) -> TrainingState:
    state = instance("state", given, TrainingState).copy()
    _check_vectors({"parameters": state.parameters}, {"parameters": fresh.parameters})
    if not np.isfinite(state.parameters).all():
        raise InvalidInput("state", "expected finite parameters: the training had diverged")
    _check_vectors(_named("optimizer/", state.optimizer), _named("optimizer/", fresh.optimizer))
    statistics = {"statistics": fresh.statistics}
    _check_vectors({"statistics": state.statistics}, statistics)
    for name in ("average", "best"):
        vector = getattr(state, name)
        _check_vectors({name: vector}, {name: None if vector is None else fresh.parameters})
    if state.best_statistics is not None:
        _check_vectors({"best_statistics": state.best_statistics}, {"best_statistics": fresh.statistics})
    if not state.plateau.keys() <= set(PLATEAU) or ("best" in state.plateau) != ("waited" in state.plateau):
        _refuse("plateau", f"of {shown([*state.plateau])}", f"of {', '.join(PLATEAU)}")
    if online:
        state.position, state.loss_sum, state.metric_sums, state.stopped = 0, 0.0, fresh.metric_sums, None
    else:
        _check_vectors({"metric_sums": state.metric_sums}, {"metric_sums": fresh.metric_sums})
        _check_place(state, plan, rows=rows, batch_size=batch_size)
    if plan.average is None:  # the plan would not update it
        state.average = None
    elif state.average is None:
        state.average = state.parameters.copy()
    return state


def _check_vectors(given: Mapping[str, Floats | None], wanted: Mapping[str, Floats | None]) -> None:
    """Raise InvalidInput if the vectors differ in name, shape or dtype; None means that there is none."""
    for name in (*wanted, *given):
        got, like = _described(given.get(name)), _described(wanted.get(name))
        if got != like:
            _refuse(name, got, like)


def _check_place(state: TrainingState, plan: Plan, *, rows: int, batch_size: int) -> None:
    """Raise InvalidInput if the position or the epoch of `state` is impossible for `plan` and the rows."""
    if state.position >= rows or state.position % batch_size:
        multiple = f"{batch_size}, the batch size, or a multiple of it below {rows}, the rows"
        _refuse("position", str(state.position), f"{multiple}; both may differ only where an epoch has ended")
    if state.stopped is None and state.epoch >= decided("epochs", plan.epochs):
        _refuse("epoch", str(state.epoch), f"below {plan.epochs}, the plan's epochs")


def _named(prefix: str, vectors: Mapping[str, Floats]) -> dict[str, Floats | None]:
    return {f"{prefix}{name}": vector for name, vector in vectors.items()}


def _described(vector: Floats | None) -> str:
    return "missing" if vector is None else f"{vector.dtype} {vector.shape}"


def _refuse(name: str, got: str, wanted: str) -> None:
    same = "the state of a training with the same network, plan, rows and batch size"
    raise InvalidInput("state", f"expected {same}: its {name} is {got}, not {wanted}")
