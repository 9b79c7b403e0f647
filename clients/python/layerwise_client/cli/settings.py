"""The options of `layerwise train` that say what is built and how it is trained, and the architecture and plan of them.

Names to choose from come from the messages of the training API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from layerwise_proto.json_form import enum_name
from layerwise_proto.v1 import training_pb2, types_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

C = TypeVar("C", bound=Callable[..., object])

_HIDDEN = "64"
_OTHER = "Options"


class Sectioned(click.Command):
    """Shows its options under the headings of their sections, those of none last."""

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
    """An option under a heading."""

    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


def option(section: str, *names: str, **settings: Any) -> Callable[[C], C]:
    """As `click.option`, under the heading `section`."""
    return click.option(*names, cls=Option, section=section, **settings)


def names_of(message: Descriptor, field: str) -> list[str]:
    """What may stand in a field of several kinds, or of an enum."""
    found = message.fields_by_name[field]
    if found.enum_type is not None:
        return [enum_name(found.enum_type, number) for number in found.enum_type.values_by_number if number]
    return [kind.name for kind in _kinds(found.message_type)]


def _kinds(message: Descriptor | None) -> Sequence[FieldDescriptor]:
    return [] if message is None else message.oneofs_by_name["kind"].fields


def _owners(name: str) -> list[str]:
    """The optimizers that have the option `name`."""
    kinds = _kinds(types_pb2.Optimizer.DESCRIPTOR)
    return [kind.name for kind in kinds if kind.message_type and name in kind.message_type.fields_by_name]


def _choice(section: str, name: str, message: Descriptor, words: str, *, default: str = "") -> Callable[[C], C]:
    """An option that takes the names which `message` has for the field of its name."""
    names = names_of(message, name.removeprefix("--"))
    listed = f"{words}: {', '.join(names)}." + (f"  [default: {default}]" if default else "")
    return option(section, name, type=click.Choice(names), metavar="NAME", help=listed)


# The values of a record by which training may be judged.
_WATCHED = [
    field.name for field in training_pb2.TrainRecord.DESCRIPTOR.fields if field.name.endswith(("loss", "metric"))
]


def _number(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else float(Fraction(value))
    except (ValueError, ZeroDivisionError, OverflowError) as exc:
        raise click.BadParameter(f"expected a number such as 0.5 or 1/255, got {value}") from exc


def _class_weight(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    if value is None or value == "balanced":
        return value
    parts = [each.rpartition("=") for each in value.split(",")]
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
    "Rows held out, and chance",
)
_OPTIONS = (
    option(_NETWORK, "--hidden", metavar="UNITS,…", help=f"Units of the hidden layers, 0: none.  [default: {_HIDDEN}]"),
    _choice(_NETWORK, "--activation", _LAYER, "Of the hidden layers", default="relu"),
    option(_NETWORK, "--dropout", type=float, metavar="FRACTION", help="Dropped of each hidden layer's outputs."),
    _choice(_NETWORK, "--normalization", _LAYER, "In each hidden layer, before its activation"),
    option(_NETWORK, "--input-scale", callback=_number, metavar="FACTOR", help="Of all inputs, such as 1/255."),
    _choice(_LOSS, "--loss", _PLAN, "Without it, the target's type decides"),
    option(
        _LOSS,
        "--standardize-targets/--raw-targets",
        default=None,
        help="Whether a regression learns standardised targets.  [default: standardised]",
    ),
    option(
        _LOSS,
        "--class-weight",
        callback=_class_weight,
        metavar="balanced|W,W,…|LABEL=W,…",
        help="By their counts, one for each class, sorted, or by label; others weigh 1.",
    ),
    _choice(_STEPS, "--optimizer", _PLAN, "Who makes the steps", default="adam"),
    option(_STEPS, "--learning-rate", type=float, metavar="RATE", help="[default: chosen from the rows]"),
    option(_STEPS, "--momentum", type=float, metavar="FRACTION", help=f"Of {' and '.join(_owners('momentum'))}."),
    option(
        _STEPS,
        "--nesterov",
        is_flag=True,
        default=None,
        help=f"Nesterov's momentum, of {' and '.join(_owners('nesterov'))}.",
    ),
    _choice(_STEPS, "--schedule", _PLAN, "How the rate changes"),
    option(_STEPS, "--warmup", type=float, metavar="EPOCHS", help="The rate first rises from zero so long."),
    option(_STEPS, "--clip-norm", type=float, metavar="LENGTH", help="Most length of the gradient."),
    option(_STEPS, "--batch-size", type=int, metavar="ROWS", help="[default: chosen from the rows]"),
    option(_WEIGHTS, "--l1", type=float, metavar="STRENGTH", help="Penalty on the weights' sizes."),
    option(_WEIGHTS, "--l2", type=float, metavar="STRENGTH", help="Penalty on the squared weights."),
    option(_WEIGHTS, "--weight-decay", type=float, metavar="STRENGTH", help="Shrinks them beside the gradient."),
    option(_WEIGHTS, "--max-norm", type=float, metavar="LENGTH", help="Most length of the weights into a unit."),
    option(_WEIGHTS, "--average", type=float, metavar="DECAY", help="Predict with their moving average, as of 0.999."),
    option(_LENGTH, "--epochs", type=int, metavar="N", help="Passes over the rows.  [default: chosen from them]"),
    option(_LENGTH, "--max-steps", type=int, metavar="N", help="End after so many steps."),
    option(_LENGTH, "--max-seconds", type=float, metavar="SECONDS", help="End after so long."),
    option(_LENGTH, "--patience", type=int, metavar="EPOCHS", help="End when so many have brought nothing better."),
    option(
        _LENGTH,
        "--watch",
        type=click.Choice(_WATCHED),
        metavar="VALUE",
        help=f"By which value: {', '.join(_WATCHED)}.  [default: validation_loss]",
    ),
    option(
        _ROWS,
        "--validation",
        type=float,
        metavar="FRACTION",
        help="Rows to measure on.  [default: chosen from the rows; 0.1 with --epochs or --max-steps]",
    ),
    _choice(_ROWS, "--split", _PLAN, "How they are chosen", default="random"),
    option(_ROWS, "--seed", type=int, metavar="N", help="Starts every random choice.  [default: 0]"),
)
_OF_NETWORK = ("hidden", "activation", "dropout", "normalization", "input_scale")


def settings_options(command: C) -> C:
    """Adds the options; their values are what `architecture_of` and `plan_of` take."""
    return reduce(lambda inner, add: add(inner), reversed(_OPTIONS), command)


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that were given: those of the network, and those of the plan."""
    given = {name: value for name, value in settings.items() if value is not None}
    network = {name: given.pop(name) for name in _OF_NETWORK if name in given}
    return network, given


def architecture_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture that the options of the network describe."""
    hidden = str(given.get("hidden", _HIDDEN))
    try:
        units = [int(each) for each in hidden.split(",")]
    except ValueError as exc:
        raise click.BadParameter(f"expected whole numbers such as 64,64, got {hidden}", param_hint="--hidden") from exc
    layer = {name: given[name] for name in ("activation", "dropout", "normalization") if name in given}
    layers = [{"units": each, "activation": "relu", **layer} for each in units if units != [0]]
    output: dict[str, Any] = {}  # linear; how many units it needs, the data says
    scale = {"input_scale": given["input_scale"]} if "input_scale" in given else {}
    return {"layers": [*layers, output], **scale}


def plan_of(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The plan `spec`, with what the options of the plan say in its place."""
    plan = dict(spec)
    options = dict(given)
    for name in ("loss", "schedule"):
        if name in options:
            plan[name] = _of_kind(plan.get(name), options.pop(name))
    kind = options.pop("optimizer", None)
    own: dict[str, Any] = {
        name: options.pop(name) for name in ("learning_rate", "momentum", "nesterov") if name in options
    }
    if kind or own:
        optimizer = _of_kind(plan.get("optimizer") or "adam", kind)
        _check_owners(optimizer["kind"], own)
        plan["optimizer"] = optimizer | own
    judged: dict[str, Any] = {name: options.pop(name) for name in ("patience", "watch") if name in options}
    if judged:
        before: dict[str, Any] = plan.get("early_stopping") or {}
        if "patience" not in judged | before:
            raise click.UsageError("--watch says by what --patience judges; give --patience too")
        plan["early_stopping"] = before | judged
    return plan | options


def kind_of(value: object) -> str | None:
    """The kind that the JSON form `value` names: "huber" of "huber" and of {"kind": "huber", "delta": 2}."""
    kind = cast("Mapping[str, object]", value).get("kind") if isinstance(value, Mapping) else value
    return kind if isinstance(kind, str) else None


def _of_kind(before: object, kind: str | None) -> dict[str, Any]:
    """`before` with its options if it is of this `kind`, or none is wanted; else the kind alone."""
    if kind in (None, kind_of(before)):
        return dict(cast("Mapping[str, Any]", before)) if isinstance(before, Mapping) else {"kind": before}
    return {"kind": kind}


def _check_owners(kind: str, own: Mapping[str, Any]) -> None:
    for name in own:
        owners = _owners(name)
        if kind not in owners:
            flag = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} is of --optimizer {' or '.join(owners)}; the optimizer is {kind}")
