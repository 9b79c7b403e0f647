"""The options of `layerwise train` for the network and its training.

The messages of the training API define the names that options take.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

import click

from layerwise_client.cli.options import Choice
from layerwise_proto.json_form import enum_name
from layerwise_proto.v1 import training_pb2, types_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

C = TypeVar("C", bound=Callable[..., object])

HIDDEN = "64"
_OTHER = "Options"


class Sectioned(click.Command):
    """A command whose help groups options by section; those without a section are last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            line = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if line is not None:
                sections.setdefault(getattr(param, "section", _OTHER), []).append(line)
        for section, lines in sorted(sections.items(), key=lambda each: each[0] == _OTHER):
            with formatter.section(section):
                formatter.write_dl(lines)


class Option(click.Option):
    """An option of a section."""

    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


def option(section: str, *names: str, **settings: Any) -> Callable[[C], C]:
    """Like `click.option`, in the section `section`."""
    return click.option(*names, cls=Option, section=section, **settings)


def names_of(message: Descriptor, field: str) -> list[str]:
    """Return the choices of a field: its kinds, or the values of its enum."""
    found = message.fields_by_name[field]
    if found.enum_type is not None:
        return [enum_name(found.enum_type, number) for number in found.enum_type.values_by_number if number]
    return [kind.name for kind in _kinds(found.message_type)]


def _kinds(message: Descriptor | None) -> Sequence[FieldDescriptor]:
    return [] if message is None else message.oneofs_by_name["kind"].fields


def optimizers_with(name: str) -> list[str]:
    """Return the optimizers that have the option `name`."""
    kinds = _kinds(types_pb2.Optimizer.DESCRIPTOR)
    return [kind.name for kind in kinds if kind.message_type and name in kind.message_type.fields_by_name]


def _choice(section: str, name: str, message: Descriptor, words: str, *, default: str = "") -> Callable[[C], C]:
    """Return an option with the choices of the field of this name in `message`."""
    names = names_of(message, name.removeprefix("--"))
    listed = f"{words}: {', '.join(names)}." + (f"  [default: {default}]" if default else "")
    return option(section, name, type=Choice(names), metavar="NAME", help=listed)


# The values of a record that early stopping may watch.
_WATCHED = [
    field.name for field in training_pb2.TrainRecord.DESCRIPTOR.fields if field.name.endswith(("loss", "metric"))
]


def _number(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else float(Fraction(value))
    except (ValueError, ZeroDivisionError, OverflowError) as exc:
        raise click.BadParameter(f"expected a number such as 0.5 or 1/255, got {value}") from exc


def _validation(ctx: click.Context, param: click.Parameter, value: str | None) -> float | str | None:
    """Return the fraction, which may be in percent, or else the name of a column or file."""
    if value is None:
        return None
    try:
        return float(value.removesuffix("%")) / 100 if value.endswith("%") else float(value)
    except ValueError:
        return value


def _class_weight(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    if value is None or value == "balanced":
        return value
    parts = [each.rpartition("=") for each in next(csv.reader([value]), [""])]  # a label may hold commas, in quotes
    try:
        if any(equals for _, equals, _ in parts):
            return {"kind": "by_label", "weights": {label: float(weight) for label, _, weight in parts}}
        return {"kind": "per_class", "weights": [float(weight) for _, _, weight in parts]}
    except ValueError as exc:
        wanted = "balanced, numbers such as 1,5, or LABEL=NUMBER such as yes=5"
        raise click.BadParameter(f"expected {wanted}, got {value}") from exc


_LAYER, _PLAN = types_pb2.Layer.DESCRIPTOR, types_pb2.Plan.DESCRIPTOR
_NETWORK, _LOSS, _STEPS, _WEIGHTS, _LENGTH, _ROWS = (
    "Network",
    "Loss",
    "Steps",
    "Weights",
    "Length",
    "Held-out rows and seed",
)
_OPTIONS = (
    option(
        _NETWORK,
        "--hidden",
        metavar="UNITS,…",
        help=f"Units of each hidden layer; 0: no hidden layer.  [default: {HIDDEN}]",
    ),
    _choice(_NETWORK, "--activation", _LAYER, "Activation of the hidden layers", default="relu"),
    option(
        _NETWORK,
        "--dropout",
        type=float,
        metavar="FRACTION",
        help="Fraction of each hidden layer's outputs dropped in each training step, from 0 to below 1.  [default: 0]",
    ),
    _choice(_NETWORK, "--normalization", _LAYER, "Normalization before each activation", default="none"),
    option(
        _NETWORK,
        "--input-scale",
        callback=_number,
        metavar="FACTOR",
        help="Factor for all inputs, a number or a fraction such as 1/255.  [default: 1]",
    ),
    _choice(_LOSS, "--loss", _PLAN, "Loss", default="softmax_cross_entropy for classes, squared_error for numbers"),
    option(
        _LOSS,
        "--standardize-targets/--raw-targets",
        default=None,
        help="Whether a regression is trained on standardised targets.  [default: standardised]",
    ),
    option(
        _LOSS,
        "--class-weight",
        callback=_class_weight,
        metavar="balanced|W,W,…|LABEL=W,…",
        help="Weights of the classes in the loss: balanced (by counts), a weight for each class in sorted order, "
        "or weights by label, where other classes weigh 1.  [default: 1 for all]",
    ),
    _choice(_STEPS, "--optimizer", _PLAN, "Optimizer", default="adam"),
    option(
        _STEPS,
        "--learning-rate",
        type=float,
        metavar="RATE",
        help="Learning rate of the optimizer.  [default: the optimizer's usual one, larger for larger batches]",
    ),
    option(
        _STEPS,
        "--momentum",
        type=float,
        metavar="FRACTION",
        help=f"Momentum of {' or '.join(optimizers_with('momentum'))}, from 0 to below 1.  [default: 0]",
    ),
    option(
        _STEPS,
        "--nesterov",
        is_flag=True,
        default=None,
        help=f"Use Nesterov's form of the momentum, for {' and '.join(optimizers_with('nesterov'))}.",
    ),
    _choice(_STEPS, "--schedule", _PLAN, "How the learning rate changes over the epochs", default="constant"),
    option(
        _STEPS,
        "--warmup",
        type=float,
        metavar="EPOCHS",
        help="Epochs in which the learning rate first rises from zero.  [default: 0]",
    ),
    option(
        _STEPS,
        "--clip-norm",
        type=float,
        metavar="NORM",
        help="Largest norm of the gradient; a longer one is scaled down.  [default: no limit]",
    ),
    option(
        _STEPS,
        "--batch-size",
        type=int,
        metavar="ROWS",
        help="Rows of each training step.  [default: chosen from the number of rows]",
    ),
    option(_WEIGHTS, "--l1", type=float, metavar="STRENGTH", help="Penalty on the absolute weights.  [default: 0]"),
    option(
        _WEIGHTS,
        "--l2",
        type=float,
        metavar="STRENGTH",
        help="Penalty on the squared weights.  [default: chosen from the number of rows, 0 with --epochs, --max-steps]",
    ),
    option(
        _WEIGHTS,
        "--weight-decay",
        type=float,
        metavar="STRENGTH",
        help="Shrinks the weights by learning rate × STRENGTH in each step.  [default: 0.01 for adamw, else 0]",
    ),
    option(
        _WEIGHTS,
        "--max-norm",
        type=float,
        metavar="NORM",
        help="Largest norm of the weights into a unit.  [default: no limit]",
    ),
    option(
        _WEIGHTS,
        "--average",
        type=float,
        metavar="DECAY",
        help="Predict with a moving average of the weights with this decay, such as 0.999.  [default: no average]",
    ),
    option(
        _LENGTH,
        "--epochs",
        type=int,
        metavar="N",
        help="Passes over the rows.  [default: chosen from the number of rows]",
    ),
    option(
        _LENGTH, "--max-steps", type=int, metavar="N", help="Stop after this many training steps.  [default: no limit]"
    ),
    option(
        _LENGTH,
        "--max-seconds",
        type=float,
        metavar="SECONDS",
        help="Stop after this many seconds.  [default: no limit]",
    ),
    option(
        _LENGTH,
        "--patience",
        type=int,
        metavar="EPOCHS",
        help="Stop when --watch has not improved for this many epochs, and keep the best weights.  "
        "[default: chosen from the number of rows; never with --epochs or --max-steps]",
    ),
    option(
        _LENGTH,
        "--watch",
        type=Choice(_WATCHED),
        metavar="VALUE",
        help=f"Value that --patience watches: {', '.join(_WATCHED)}.  [default: validation_loss]",
    ),
    option(
        _ROWS,
        "--validation",
        callback=_validation,
        metavar="FRACTION|COLUMN|FILE",
        help="Rows held out to measure on: a fraction of all rows, such as 0.1 or 10%, those that a column of FILE "
        "marks by true or 1, or the rows of another file.  "
        "[default: chosen from the number of rows; with --epochs or --max-steps 0.1 of 50 rows or more]",
    ),
    _choice(_ROWS, "--split", _PLAN, "How the held-out rows are chosen", default="random"),
    option(_ROWS, "--seed", type=int, metavar="N", help="Seed of all random choices.  [default: 0]"),
)


def settings_options(command: C) -> C:
    """Add the options to a command. `architecture_of` and `plan_of` in chosen_settings.py read their values."""
    return reduce(lambda inner, add: add(inner), reversed(_OPTIONS), command)
