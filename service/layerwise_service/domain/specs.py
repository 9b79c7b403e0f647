"""Architectures and plans as callers send them: filled in from the data, and held to the limits.

An architecture may leave out what the data says. Its `inputs` are the features of a row. Its output layer is

- the last layer, if that has no `units`: the data says how many;
- the last layer, if that is linear (identity), or if `inputs` is given: its units must be what the data needs;
- a linear layer that is added, if the last layer is not linear: that one is a hidden layer then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from layerwise import Architecture, InvalidInput, Loss, Plan
from layerwise.data.class_weights import weights_of
from layerwise.errors import Place
from layerwise.files.model_file import MOST_MANIFEST
from layerwise.network.parameters import member_shapes as weight_shapes
from layerwise.training.full_batch import check_steady
from layerwise_service.domain.datasets import Label
from layerwise_service.domain.jobs import JSONObject, NewJob
from layerwise_service.domain.models import Version
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.settings import Settings

DEFAULT_LOSS = {True: "softmax_cross_entropy", False: "squared_error"}  # with labels, with targets

_MOST_JSON = MOST_MANIFEST - 2**17  # which leaves room for metrics, lineage and the state of an optimiser

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Needs:
    """What the data needs of a network. `outputs` is None as long as the rows are still coming.

    `one_will_do`: it is two classes, which the loss tells apart by the sign of a single output as well.
    """

    features: int
    outputs: int | None
    of_classes: bool
    one_will_do: bool = False


def read_architecture(sent: Mapping[str, object], needs: Needs | None, settings: Settings) -> Architecture:
    """The architecture, filled in and within the limits; nothing is allocated for it.

    With `needs` None, or without its outputs, whatever they leave open is taken as 1: a check of the rest.
    Raises `InvalidRequest`.
    """
    layers = [dict(layer) for layer in cast("list[JSONObject]", sent.get("layers", []))]
    if not layers:
        raise InvalidRequest("expected at least one layer", pointer=Place("architecture", "layers"))
    if len(layers) > settings.max_layers:
        detail = f"expected at most {settings.max_layers} layers, got {len(layers)}"
        raise TooLarge(detail, pointer=Place("architecture", "layers"), reason="MODEL_TOO_LARGE")
    _check_units(layers, settings.max_units)
    features = _inputs(sent.get("inputs"), needs)
    _fill_output_layer(layers, complete="inputs" in sent, needs=needs)
    architecture = _refused(
        "architecture", lambda: Architecture.from_json({**sent, "inputs": features, "layers": layers})
    )
    for i, layer in enumerate(architecture.layers):
        if layer.columns > settings.max_units:
            detail = f"expected at most {settings.max_units} units, got {layer.units} × "
            detail += f"{layer.activation.linear_pieces}: every piece of a maxout counts as a unit"
            raise TooLarge(detail, pointer=Place("architecture", "layers", i), reason="MODEL_TOO_LARGE")
    if architecture.parameters > settings.max_parameters:
        detail = f"a network may have {settings.max_parameters} parameters, this one has {architecture.parameters}"
        raise TooLarge(detail, pointer="architecture", reason="MODEL_TOO_LARGE")
    return architecture


def read_plan(sent: Mapping[str, object], *, has_labels: bool | None, settings: Settings) -> Plan:
    """The plan, its loss chosen by what is expected of the rows: labels or targets (None: not known yet).

    Raises `InvalidRequest`.
    """
    loss = {"loss": DEFAULT_LOSS[has_labels]} if has_labels is not None else {}
    plan = _refused("plan", lambda: Plan.from_json({**loss, **sent}))
    wanted = {"classes": "labels", "values": "targets"}.get(plan.loss.targets)  # flags may be either
    if has_labels is not None and wanted is not None and has_labels is not (wanted == "labels"):
        got = "labels" if has_labels else "targets"
        detail = f"{plan.loss.kind} is a loss for {wanted}, and the rows come with {got}"
        raise InvalidRequest(detail, pointer=Place("plan", "loss"))
    if plan.epochs is not None and plan.epochs > settings.max_epochs:
        raise TooLarge(
            f"expected at most {settings.max_epochs} epochs, got {plan.epochs}", pointer=Place("plan", "epochs")
        )
    return plan


def check_optimizer(plan: Plan, architecture: Architecture) -> None:
    """Raises `InvalidRequest` if the plan's optimiser cannot train the network."""
    if plan.optimizer.full_batch:
        _refused("plan", lambda: check_steady(architecture, plan))


def complete_plan(plan: Plan, architecture: Architecture, rows: int, settings: Settings) -> Plan:
    """The plan with what it leaves open chosen for a job on so many rows, within the limits."""
    most = _most_rows_a_batch(architecture, settings)
    return plan.completed(rows=rows, most_batch=most, most_epochs=settings.max_epochs)


def check_split(plan: Plan, rows: int, *, has_labels: bool) -> None:
    """Raises `InvalidRequest` if the plan's held-out fraction leaves no rows on one side, or cannot be chosen so."""
    share = plan.completed(rows=rows).validation or 0.0
    if share and plan.split == "stratified" and not has_labels:
        detail = "expected random or temporal, for targets have no classes whose shares are kept; got stratified"
        raise InvalidRequest(detail, pointer=Place("plan", "split"))
    held_out = round(rows * share)
    if share and not 0 < held_out < rows:
        detail = f"{share} of {rows} rows is {held_out}: expected at least one row on either side"
        raise InvalidRequest(detail, pointer=Place("plan", "validation"))
    for name, watch in (
        (("early_stopping", "watch"), plan.early_stopping.watch if plan.early_stopping else ""),
        (("schedule", "watch"), getattr(plan.schedule, "watch", "")),
    ):
        if watch.startswith("validation") and not share:
            detail = f"{watch} needs rows that are held out: give a validation above 0"
            raise InvalidRequest(detail, pointer=Place("plan", name))


def check_class_weight(plan: Plan, labels: Sequence[Label] | None) -> None:
    """Raises `InvalidRequest` if the plan's weights of classes do not fit `labels`; None: there are no classes."""
    given = plan.class_weight
    if given is None or (given == "balanced" and labels is not None):
        return
    if labels is None:
        detail = "expected none, for the rows come with targets, which are no classes"
        raise InvalidRequest(detail, pointer=Place("plan", "class_weight"))
    assert given != "balanced"
    weights = np.array(_refused("plan", lambda: weights_of(given, labels)))
    if (weights > np.finfo(np.float32).max).any():
        detail = f"expected weights within float32, got {weights.max():g}"
        raise InvalidRequest(detail, pointer=Place("plan", "class_weight"))


def check_start(architecture: Architecture, labels: Sequence[Label] | None, origin: Version) -> None:
    """Raises `InvalidRequest` if a network cannot start with the weights of the version `origin`."""
    theirs = Architecture.from_json(origin.architecture)
    if weight_shapes(architecture) != weight_shapes(theirs):
        detail = f"expected layers of the sizes of {origin}, whose weights it is to start with"
        raise InvalidRequest(detail, pointer=Place("architecture", "layers"))
    if origin.labels is None and labels is not None:
        detail = f"expected rows with targets, for {origin} has no classes; got rows with labels"
        raise InvalidRequest(detail, pointer="start_from")
    if tuple(labels or ()) != (origin.labels or ()):
        known, got = (", ".join(repr(each) for each in list(some)[:20]) for some in (origin.labels or (), labels or ()))
        detail = f"expected rows of the classes that {origin} knows, {known}; got {got or 'targets'}"
        raise InvalidRequest(detail, pointer="start_from")


def check_range(targets: NDArray[np.float32], loss: Loss, *, at: Place) -> None:
    """Raises `InvalidRequest` at the first of `targets` that `loss` has no use for: Poisson's are not negative."""
    wrong = (targets < loss.least) | (targets <= loss.above) | (targets > loss.most)
    if wrong.any():
        where = np.unravel_index(int(np.argmax(wrong)), targets.shape)
        bounds = ((f"at least {loss.least:g}", loss.least), (f"above {loss.above:g}", loss.above))
        limits = [text for text, bound in (*bounds, (f"at most {loss.most:g}", loss.most)) if np.isfinite(bound)]
        detail = f"{loss.kind} needs targets {' and '.join(limits)}, got {targets[where]:g}"
        raise InvalidRequest(detail, pointer=Place(at, *map(int, where)))


def check_batch(plan: Plan, architecture: Architecture, rows: int, settings: Settings) -> None:
    """Raises `TooLarge` if a batch and what its layers make of it would be too much for a worker's memory.

    A batch size that is left open will be within the limit.
    """
    most = _most_rows_a_batch(architecture, settings)
    if min(plan.batch_size or 1, rows) > most:
        detail = f"a network of this width takes at most {most} rows a batch, got {plan.batch_size}"
        raise TooLarge(detail, pointer=Place("plan", "batch_size"))
    kept = len(plan.optimizer.remembers) + 2 * getattr(plan.optimizer, "history", 0) + bool(plan.average) + 2
    if architecture.parameters * kept > 5 * settings.max_parameters:  # parameters, gradient, Adam's two and one more
        detail = f"{plan.optimizer.kind} would keep {kept} vectors as long as the {architecture.parameters} parameters"
        raise TooLarge(
            f"{detail}, and there is room for {5 * settings.max_parameters} numbers", pointer=Place("plan", "optimizer")
        )


def check_manifest(job: NewJob, labels: Sequence[Label] | None) -> None:
    """Raises `TooLarge` if what goes into a model file beside the weights is more than a file may have.

    Here and not after hours of training.
    """
    encoder = job.preprocessing
    parts = {
        "the encoder": encoder,
        "the classes": list(labels or ()),
        "architecture and plan": [job.architecture, job.plan],
    }
    sizes = {name: _json_bytes(value) for name, value in parts.items()}
    if sum(sizes.values()) <= _MOST_JSON:
        return
    largest = max(sizes, key=sizes.__getitem__)
    detail = f"{largest} would take {sizes[largest]} of the {_MOST_JSON} bytes that a model has for all but its weights"
    if largest != "the encoder" or encoder is None:
        raise TooLarge(f"{detail}; shorter labels help", pointer="classes", reason="MODEL_TOO_LARGE")
    columns = {str(item["name"]): _json_bytes(item) for item in cast("list[JSONObject]", encoder["fitted"])}
    name = max(columns, key=columns.__getitem__)
    help_ = "hashing keeps no categories, a lower `most` of one_hot fewer, and columns may be ignored"
    detail = f"{detail}, most of them in column {name[:64]!r} ({columns[name]}); {help_}"
    raise TooLarge(detail, pointer="encoder", reason="MODEL_TOO_LARGE")


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _most_rows_a_batch(architecture: Architecture, settings: Settings) -> int:
    width = architecture.inputs + sum(layer.columns + 2 * layer.units for layer in architecture.layers)
    return max(1, settings.max_batch_values // width)


def _inputs(sent: object, needs: Needs | None) -> object:
    if needs is None:
        return 1 if sent is None else sent
    if sent is not None and sent != needs.features:
        detail = f"the rows have {needs.features} features, the architecture {sent} inputs"
        raise InvalidRequest(detail, pointer=Place("architecture", "inputs"))
    return needs.features


def _fill_output_layer(layers: list[JSONObject], *, complete: bool, needs: Needs | None) -> None:
    outputs = None if needs is None else needs.outputs
    last = layers[-1]
    if "units" not in last:
        last["units"] = outputs or 1
    elif complete or last.get("activation", "identity") == "identity":
        one = needs is not None and needs.one_will_do and last["units"] == 1
        if outputs is not None and last["units"] != outputs and not one:
            what = "one for each class" if needs is not None and needs.of_classes else "one for each target"
            hint = "" if complete else ", or no units there, or a hidden layer that is not linear"
            detail = f"the output layer needs {outputs} units here, {what}; got {last['units']}. Give {outputs}{hint}"
            raise InvalidRequest(detail, pointer=Place("architecture", "layers", len(layers) - 1, "units"))
    else:
        layers.append({"units": outputs or 1})


def _check_units(layers: list[JSONObject], most: int) -> None:
    for index, layer in enumerate(layers):
        units = layer.get("units")
        if isinstance(units, int) and units > most:
            pointer = Place("architecture", "layers", index, "units")
            raise TooLarge(f"expected at most {most} units, got {units}", pointer=pointer, reason="MODEL_TOO_LARGE")


def _refused(root: str, read: Callable[[], T]) -> T:
    """What `read` gives; what the core refuses, as an error that callers are told."""
    try:
        return read()
    except InvalidInput as error:
        raise InvalidRequest(error.detail, pointer=Place(root, error.place), reason=error.reason) from error
