"""The architecture and the plan of `layerwise train`, from its options and its spec file."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from layerwise_client._data.places import Steps, place_words
from layerwise_client.cli.places import flag_of, reworded
from layerwise_client.cli.settings import HIDDEN, optimizers_with
from layerwise_client.errors import InvalidRequest

_OF_NETWORK = ("hidden", "activation", "dropout", "normalization", "input_scale")


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that were given, those of the network and those of the plan."""
    given = {name: value for name, value in settings.items() if value is not None}
    network = {name: given.pop(name) for name in _OF_NETWORK if name in given}
    return network, given


def architecture_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the architecture that the options of the network describe."""
    hidden = str(given.get("hidden", HIDDEN))
    try:
        units = [int(each) for each in hidden.split(",")]
        if units != [0] and min(units) < 1:
            raise ValueError
    except ValueError as exc:
        wanted = "expected whole numbers of at least 1, such as 64,64, or 0 for no hidden layer"
        raise click.BadParameter(f"{wanted}; got {hidden}", param_hint="--hidden") from exc
    layer = {name: given[name] for name in ("activation", "dropout", "normalization") if name in given}
    layers = [] if units == [0] else [{"units": each, "activation": "relu", **layer} for each in units]
    output: dict[str, Any] = {}  # linear; its units follow from the data
    scale = {"input_scale": given["input_scale"]} if "input_scale" in given else {}
    return {"layers": [*layers, output], **scale}


def plan_of(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan `spec`, overridden by the options of the plan."""
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
        _check_options_of(optimizer["kind"], own)
        plan["optimizer"] = optimizer | own
    stopping: dict[str, Any] = {name: options.pop(name) for name in ("patience", "watch") if name in options}
    if stopping:
        before: dict[str, Any] = plan.get("early_stopping") or {}
        if "patience" not in stopping | before:
            raise click.UsageError("--watch names the value that --patience watches; give --patience too")
        plan["early_stopping"] = before | stopping
    return plan | options


@contextmanager
def naming_settings(given: Mapping[str, Any], spec: Path | None, parts: Mapping[str, Any]) -> Generator[None]:
    """Name, in errors about architecture, plan and encoder, the option that gave the value, or else the spec file.

    `given` are the options by name, `parts` those of the file `spec`.
    """
    try:
        yield
    except InvalidRequest as exc:
        if not exc.place or exc.place[0] not in ("architecture", "plan", "encoder"):
            raise
        option = _option_at(exc.place, given, parts)
        if option is not None:
            raise reworded(exc, "--raw-targets" if given[option] is False else flag_of(option)) from exc
        if spec is not None:
            raise reworded(exc, f"{spec}: {place_words(exc.place)}") from exc
        raise


_OPTION_OF: Mapping[object, str] = {"units": "hidden", "early_stopping": "patience"}


def _option_at(place: Steps, given: Mapping[str, Any], spec: Mapping[str, Any]) -> str | None:
    """Return the option that gave the value at `place`; None if the spec file did."""
    depths = [1] if place[0] == "encoder" else range(len(place) - 1, 0, -1)  # further steps name columns
    for depth in depths:
        option = _OPTION_OF.get(place[depth], str(place[depth]))
        if given.get(option) not in (None, ()):
            value, outer, inner = given[option], _value_at(spec, place[: depth + 1]), place[depth + 1 :]
            kept = inner and _keeps(option, value, outer, inner[0]) and _value_at(spec, place) is not None
            return None if kept else option
    return None


def _keeps(option: str, value: Any, before: object, inner: str | int) -> bool:
    """Return whether `inner`, a part of the spec file's value `before`, remains when the option is added."""
    match option:
        case "loss" | "schedule" | "optimizer":
            return bool(value == kind_of(before))
        case "columns":
            return inner not in [each.rpartition("=")[0] for each in value]
        case "ignore":
            return inner not in value
        case _:
            return option == "patience"  # one of the settings of early_stopping


def _value_at(spec: object, place: Steps) -> object:
    """Return the value at `place` in JSON form; None if there is none. A list is searched for a string."""
    for step in place:
        if isinstance(spec, Mapping):
            spec = cast("Mapping[object, object]", spec).get(step)
        elif isinstance(spec, list):
            items = cast("list[object]", spec)
            spec = items[step] if isinstance(step, int) and step < len(items) else step if step in items else None
        else:
            return None
    return spec


def kind_of(value: object) -> str | None:
    """Return the kind in the JSON form `value`: "huber" for "huber" and for {"kind": "huber", "delta": 2}."""
    kind = cast("Mapping[str, object]", value).get("kind") if isinstance(value, Mapping) else value
    return kind if isinstance(kind, str) else None


def _of_kind(before: object, kind: str | None) -> dict[str, Any]:
    """Return `before` with its settings if it is of this `kind` or `kind` is None; else the kind alone."""
    if kind in (None, kind_of(before)):
        return dict(cast("Mapping[str, Any]", before)) if isinstance(before, Mapping) else {"kind": before}
    return {"kind": kind}


def _check_options_of(kind: str, own: Mapping[str, Any]) -> None:
    for name in own:
        owners = optimizers_with(name)
        if kind not in owners:
            raise click.UsageError(
                f"{flag_of(name)} is an option of --optimizer {' or '.join(owners)}; the optimizer is {kind}"
            )
