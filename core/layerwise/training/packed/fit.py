"""Packed training: an iterator of records of several networks that are trained together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import cast

from numpy.typing import ArrayLike

from layerwise.checks import counted, decided, shown
from layerwise.data.labels import Label
from layerwise.data.mapped_files import FileTable
from layerwise.data.reader import Reader, Split, checked_validation, resolved_plan
from layerwise.data.shuffling import RowOrder, row_order
from layerwise.errors import Diverged, InvalidInput, Place
from layerwise.model import MLP
from layerwise.plan import Plan
from layerwise.randomness import SPLIT, stream
from layerwise.tables import TableLike
from layerwise.training.packed.member import Member
from layerwise.training.packed.records import PackedRecord
from layerwise.training.packed.trainer import PackedTrainer
from layerwise.training.standardized_targets import Rescaled, rescaled
from layerwise.training.unused import TrainsWhenIterated

MAY_DIFFER = ("seed", "l2", "l1", "weight_decay")
"""The fields in which the plans may differ, besides the optimiser's learning rate."""


def fit_packed(
    models: Sequence[MLP],
    X: ArrayLike | TableLike,
    y: ArrayLike,
    *,
    plans: Plan | Sequence[Plan],
    weights: ArrayLike | None = None,
    validation: float | Sequence[ArrayLike | TableLike] | None = None,
    check: bool = True,
) -> "PackedTraining":
    """Train K models of one architecture together, each in place by its plan, with a record after every epoch.

    Each model gets the weights that `fit` would give it alone, within rounding: it has its own split, row order,
    dropout and noise, by the seed of its plan. The doctor does not examine the networks.

    Parameters
    ----------
    models : sequence of MLP
        Of the same architecture, dtype, labels and encoder; none may occur twice.
    X, y, weights, validation, check
        As for `fit`, shared by all models. `X` may be a table if the models have an encoder.
    plans : Plan or sequence of Plan
        One for all models, or one for each. They may differ in seed, l2, l1, weight_decay and the optimiser's learning
        rate.

    Returns
    -------
    PackedTraining
        An iterator of `PackedRecord`, like a generator: each record trains one epoch of all networks that go on.

    Raises
    ------
    InvalidInput
        Before the first step, with the place of what is wrong. A network that diverges raises nothing: the others go
        on, its model keeps its last finite weights, and `PackedTraining.diverged` has the reason.
    """
    pack = _checked_models(models)
    architecture, labels = pack[0].architecture, pack[0].labels
    own = _checked_plans(plans, len(pack))
    given, held = pack[0].to_train_on(X), checked_validation(validation)
    if isinstance(held, tuple):
        held = (pack[0].encoded(held[0]), *held[1:])
    done = [resolved_plan(plan, given, held) for plan in own]
    own, held = [plan for plan, _ in done], done[0][1]
    reader = Reader(architecture, own[0].loss, pack[0].dtype, check)
    splits, labels = _splits(reader, given, y, labels, weights=weights, validation=held, plans=own)
    orders = _orders(splits, own)
    networks = [rescaled(model, plan, train) for model, plan, (train, _) in zip(pack, own, splits, strict=True)]
    members = [
        Member(network.trained, plan, network.split(train), network.split(held), order)
        for network, plan, (train, held), order in zip(networks, own, splits, orders, strict=True)
    ]
    trainer = PackedTrainer(members)
    for model, plan in zip(pack, own, strict=True):
        model.plan, model.labels = plan, labels
    return PackedTraining(trainer, networks)


class PackedTraining(TrainsWhenIterated[PackedRecord]):
    """Several trainings in progress: an iterator of their records, returned by `fit_packed`.

    Attributes
    ----------
    models : tuple of MLP
        The networks.
    diverged : mapping of int to Diverged
        The errors of those networks that diverged.
    """

    def __init__(self, trainer: PackedTrainer, networks: Sequence[Rescaled]) -> None:
        self._trainer, self._networks = trainer, networks

    @property
    def models(self) -> tuple[MLP, ...]:
        """The networks, with their weights at the end of the last epoch."""
        return tuple(network.model for network in self._networks)

    @property
    def diverged(self) -> Mapping[int, Diverged]:
        """Why and at which step networks diverged, by their index."""
        return {k: member.diverged for k, member in enumerate(self._trainer.members) if member.diverged}

    def __next__(self) -> PackedRecord:
        trainer, self._used = self._trainer, True
        while not trainer.ended:
            trainer.step()
            if trainer.epoch_is_over:
                record = trainer.end_epoch()
                for network in self._networks:
                    network.publish()
                return record
        raise StopIteration


def _checked_models(models: object) -> list[MLP]:
    """Return the networks. Raises InvalidInput unless they agree in architecture, dtype, labels and encoder."""
    given = _sequence(models)
    if not given:
        raise InvalidInput("models", f"expected at least 1 network, got {shown(models)}")
    first = given[0]
    for i, model in enumerate(given):
        where = Place("models", i)
        if not isinstance(model, MLP):
            raise InvalidInput(where, f"expected an MLP, got {shown(model)}")
        if any(model is other for other in given[:i]):
            raise InvalidInput(where, "expected another network: each may occur only once")
        assert isinstance(first, MLP)
        for name, got, wanted in _differences(model, first):
            raise InvalidInput(
                Place(where, name), f"expected the value of the first, {shown(wanted)}, got {shown(got)}"
            )
    pack = cast(list[MLP], list(given))
    for i, layer in enumerate(pack[0].architecture.layers):
        if layer.normalization is not None:
            detail = f"expected None, because packed training does not support normalisation, got {layer.normalization}"
            raise InvalidInput(Place("models", 0, "architecture", "layers", i, "normalization"), detail)
    return pack


def _sequence(value: object) -> Sequence[object]:
    """Return `value` if it is a sequence, but not a string; else an empty sequence."""
    return cast(Sequence[object], value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _differences(model: MLP, first: MLP) -> Iterator[tuple[Place, object, object]]:
    """Return the attributes in which `model` differs from the `first`: place, value, and the value of the first."""
    own, other = model.architecture, first.architecture
    pairs = [(Place(name), getattr(model, name), getattr(first, name)) for name in ("dtype", "labels", "encoder")]
    for field in fields(own):
        pairs.append((Place("architecture", field.name), getattr(own, field.name), getattr(other, field.name)))
    if len(own.layers) == len(other.layers):
        pairs.pop([name for name, _, _ in pairs].index(Place("architecture", "layers")))
        for i, (layer, wanted) in enumerate(zip(own.layers, other.layers, strict=True)):
            for field in fields(layer):
                name = Place("architecture", "layers", i, field.name)
                pairs.append((name, getattr(layer, field.name), getattr(wanted, field.name)))
    return (pair for pair in pairs if pair[1] != pair[2])


def _checked_plans(plans: object, networks: int) -> list[Plan]:
    """Return a plan for each network. Raises InvalidInput if they differ in fields in which they must not."""
    given = [plans] * networks if isinstance(plans, Plan) else _sequence(plans)
    if not given:
        raise InvalidInput("plans", f"expected a Plan, or one for each network, got {shown(plans)}")
    if len(given) != networks:
        raise InvalidInput("plans", f"expected {counted(networks, 'plan')}, one for each network, got {len(given)}")
    for i, plan in enumerate(given):
        if not isinstance(plan, Plan):
            raise InvalidInput(Place("plans", i), f"expected a Plan, got {shown(plan)}")
    own = cast(list[Plan], list(given))
    if own[0].optimizer.full_batch:
        detail = f"expected an optimiser that trains in batches, {own[0].optimizer.kind} needs all rows at once"
        raise InvalidInput(Place("plans", 0, "optimizer"), detail)
    for i, plan in enumerate(own):
        _check_same(Place("plans", i), plan, own[0])
    return own


def _check_same(where: Place, plan: Plan, first: Plan) -> None:
    """Raise InvalidInput at the first field that must be the same in `plan` and in the `first` plan, but is not."""
    same = [field.name for field in fields(Plan) if field.name not in MAY_DIFFER]
    pairs = [(Place(name), getattr(plan, name), getattr(first, name)) for name in same]
    optimizer, other = plan.optimizer, first.optimizer
    if type(optimizer) is type(other):
        pairs = [pair for pair in pairs if pair[0] != Place("optimizer")]
        names = [f.name for f in fields(optimizer) if f.name != "learning_rate"]
        pairs += [(Place("optimizer", name), getattr(optimizer, name), getattr(other, name)) for name in names]
    for name, value, wanted in pairs:
        if value != wanted:
            detail = f"expected the value of the first plan, {shown(wanted)}, got {shown(value)}"
            may = f"{', '.join(MAY_DIFFER)} and optimizer.learning_rate may differ"
            raise InvalidInput(Place(where, name), f"{detail}; {may}")


def _splits(
    reader: Reader,
    X: ArrayLike,
    y: ArrayLike,
    labels: tuple[Label, ...] | None,
    *,
    weights: ArrayLike | None,
    validation: float | Sequence[ArrayLike],
    plans: Sequence[Plan],
) -> tuple[list[tuple[Split, Split | None]], tuple[Label, ...] | None]:
    """Return the training and held-out rows of each network, and the labels; networks of one seed share the rows."""
    plan = plans[0]
    rng = stream(plan.seed, SPLIT)
    *parts, labels = reader.read_split(X, y, labels, weights=weights, validation=validation, plan=plan, rng=rng)
    train, held_out = cast(tuple[Split, Split | None], tuple(parts))
    table = train.table
    if isinstance(table, FileTable):
        raise InvalidInput("X", "expected a table in memory: packed training does not read large files block by block")
    known: dict[int, tuple[Split, Split | None]] = {plan.seed: (train, held_out)}
    drawn = bool(held_out) and not isinstance(validation, Sequence) and plan.split != "temporal"
    again = Reader(reader.architecture, reader.loss, reader.dtype, check=False)
    for other in plans:
        if drawn and other.seed not in known:
            rng = stream(other.seed, SPLIT)
            train, held_out, _ = again.read_split(
                table, train.targets, labels, weights=weights, validation=validation, plan=other, rng=rng
            )
            known[other.seed] = train, held_out
    return [known.get(other.seed, known[plan.seed]) for other in plans], labels


def _orders(splits: Sequence[tuple[Split, Split | None]], plans: Sequence[Plan]) -> list[RowOrder]:
    """Return the row order of each network; networks of one seed share one."""
    known: dict[int, RowOrder] = {}
    for (train, _), plan in zip(splits, plans, strict=True):
        if plan.seed not in known:
            seed = plan.seed if plan.shuffle else None
            known[plan.seed] = row_order(
                train.table, train.rows, seed=seed, batch=decided("batch_size", plan.batch_size)
            )
    return [known[plan.seed] for plan in plans]
