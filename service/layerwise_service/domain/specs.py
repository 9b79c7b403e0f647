"""Architectures and plans as callers send them: completed from the data, and checked against the limits.

An architecture may leave out what follows from the data. Its `inputs` are the features of a row. Its output layer is

- the last layer, if it has no `units`: they follow from the data;
- the last layer, if it is linear (identity) or `inputs` is given: its units must be what the data needs;
- otherwise an added linear layer: the last layer that was sent is then a hidden one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from layerwise import Architecture, InvalidInput, Loss, Plan
from layerwise.checks import counted
from layerwise.data.class_weights import weights_of
from layerwise.data.targets import check_range as check_targets_range
from layerwise.errors import Place
from layerwise.files.model_file import MOST_MANIFEST
from layerwise.network.parameters import member_shapes as weight_shapes
from layerwise.training.full_batch import check_deterministic
from layerwise.training.standardized_targets import can_scale
from layerwise_service.domain.datasets import Label
from layerwise_service.domain.jobs import JSONObject, NewJob
from layerwise_service.domain.models import Version
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.settings import Settings

DEFAULT_LOSS = {True: "softmax_cross_entropy", False: "squared_error"}  # with labels, with targets

_MOST_JSON = MOST_MANIFEST - 2**17  # leaves room for metrics, lineage and the state of an optimiser

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Needs:
    """What the data needs of a network: `outputs` is None until all rows were received.

    With `or_one_output`, there are two classes, and the loss can also separate them by the sign of a single output.
    """

    features: int
    outputs: int | None
    of_classes: bool
    or_one_output: bool = False


def read_architecture(sent: Mapping[str, object], needs: Needs | None, settings: Settings) -> Architecture:
    """Return the architecture, completed and within the limits; nothing is allocated for it.

    Sizes that `needs` does not know yet are taken as 1, which checks the rest. Raises `InvalidRequest`.
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
    architecture = _as_invalid_request(
        "architecture", lambda: Architecture.from_json({**sent, "inputs": features, "layers": layers})
    )
    for i, layer in enumerate(architecture.layers):
        if layer.columns > settings.max_units:
            detail = f"expected at most {settings.max_units} units, got {layer.units} × "
            detail += f"{layer.activation.linear_pieces}: each piece of a maxout counts as a unit"
            raise TooLarge(detail, pointer=Place("architecture", "layers", i), reason="MODEL_TOO_LARGE")
    if architecture.parameters > settings.max_parameters:
        detail = f"expected at most {settings.max_parameters} parameters, got {architecture.parameters}"
        raise TooLarge(detail, pointer="architecture", reason="MODEL_TOO_LARGE")
    return architecture


def read_plan(sent: Mapping[str, object], *, has_labels: bool | None, settings: Settings) -> Plan:
    """Return the plan; without a loss, the default for labels or for targets (`has_labels` None: not known yet).

    Raises `InvalidRequest`.
    """
    loss = {"loss": DEFAULT_LOSS[has_labels]} if has_labels is not None else {}
    plan = _as_invalid_request("plan", lambda: Plan.from_json({**loss, **sent}))
    wanted = {"classes": "labels", "values": "targets"}.get(plan.loss.targets)  # flags may be either
    if has_labels is not None and wanted is not None and has_labels is not (wanted == "labels"):
        got = "labels" if has_labels else "targets"
        detail = f"the loss {plan.loss.kind} needs {wanted}, but the rows have {got}"
        raise InvalidRequest(detail, pointer=Place("plan", "loss"))
    if plan.epochs is not None and plan.epochs > settings.max_epochs:
        raise TooLarge(
            f"expected at most {settings.max_epochs} epochs, got {plan.epochs}",
            pointer=Place("plan", "epochs"),
        )
    return plan


def check_optimizer(plan: Plan, architecture: Architecture) -> None:
    """Raise `InvalidRequest` if the plan's optimiser cannot train the network."""
    if plan.optimizer.full_batch:
        _as_invalid_request("plan", lambda: check_deterministic(architecture, plan))


def complete_plan(plan: Plan, architecture: Architecture, rows: int, settings: Settings, *, held_out: int = 0) -> Plan:
    """Return the plan with its open values chosen for this number of rows, within the limits.

    `held_out` of the rows are held out instead of the plan's fraction.

    `standardize_targets` becomes false where it has no effect, such as for a classifier.
    """
    most = _most_rows_a_batch(architecture, settings)
    scales = plan.standardize_targets and can_scale(architecture, plan.loss)
    completed = plan.completed(
        rows=rows - held_out, held_out=held_out, most_batch=most, most_epochs=settings.max_epochs
    )
    return replace(completed, standardize_targets=scales)


def check_split(plan: Plan, rows: int, *, has_labels: bool, held_out: int = 0) -> None:
    """Raise `InvalidRequest` if the validation fraction leaves no rows to train on or none held out, or if the split
    is impossible. `held_out` of the rows are held out instead."""
    if held_out:
        if plan.validation:
            detail = "expected one way to hold rows out, got held_out and plan.validation"
            raise InvalidRequest(detail, pointer="held_out")
        if not 0 < held_out < rows:
            detail = f"expected fewer rows to hold out than all {rows:,}, at least 1, got {held_out:,}"
            raise InvalidRequest(detail, pointer="held_out")
        if plan.split != "random":
            detail = f"expected no split, since it is said which rows are held out, got {plan.split}: leave it out"
            raise InvalidRequest(detail, pointer=Place("plan", "split"))
        return
    share = plan.completed(rows=rows).validation or 0.0
    if share and plan.split == "stratified" and not has_labels:
        detail = "a stratified split needs labels, but the rows have targets; use random or temporal"
        raise InvalidRequest(detail, pointer=Place("plan", "split"))
    held_out = round(rows * share)
    if share and not 0 < held_out < rows:
        detail = (
            f"{share:g} of {counted(rows, 'row')} is {held_out}: expected at least 1 row to train on and 1 held out"
        )
        raise InvalidRequest(detail, pointer=Place("plan", "validation"))
    for name, watch in (
        (("early_stopping", "watch"), plan.early_stopping.watch if plan.early_stopping else ""),
        (("schedule", "watch"), getattr(plan.schedule, "watch", "")),
    ):
        if watch.startswith("validation") and not share:
            detail = f"{watch} needs held-out rows: set validation above 0"
            raise InvalidRequest(detail, pointer=Place("plan", name))


def check_class_weight(plan: Plan, labels: Sequence[Label] | None) -> None:
    """Raise `InvalidRequest` if the plan's class weights do not fit `labels` (None: a regression)."""
    given = plan.class_weight
    if given is None or (given == "balanced" and labels is not None):
        return
    if labels is None:
        detail = "class weights need labels, but the rows have targets"
        raise InvalidRequest(detail, pointer=Place("plan", "class_weight"))
    assert given != "balanced"
    weights = np.array(_as_invalid_request("plan", lambda: weights_of(given, labels)))
    if (weights > np.finfo(np.float32).max).any():
        detail = f"expected weights within float32, got {weights.max():g}"
        raise InvalidRequest(detail, pointer=Place("plan", "class_weight"))


def check_start(architecture: Architecture, labels: Sequence[Label] | None, origin: Version) -> None:
    """Raise `InvalidRequest` if a network cannot start with the weights of the version `origin`."""
    theirs = Architecture.from_json(origin.architecture)
    if weight_shapes(architecture) != weight_shapes(theirs):
        detail = f"expected the same layers as {origin}, the version to start from"
        raise InvalidRequest(detail, pointer=Place("architecture", "layers"))
    if origin.labels is None and labels is not None:
        detail = f"{origin} is a regression and continues with targets; got labels"
        raise InvalidRequest(detail, pointer="start_from")
    if tuple(labels or ()) != (origin.labels or ()):
        known, got = (", ".join(repr(each) for each in list(some)[:20]) for some in (origin.labels or (), labels or ()))
        detail = f"expected the classes of {origin}: {known}; got {got or 'targets'}"
        raise InvalidRequest(detail, pointer="start_from")


def check_range(targets: NDArray[np.float32], loss: Loss, *, at: Place) -> None:
    """Raise `InvalidRequest` for the first target outside the range of `loss`: Poisson's must not be negative."""
    _as_invalid_request(at, lambda: check_targets_range(targets, loss, dtype=np.float32, at=""))


def check_batch(plan: Plan, architecture: Architecture, rows: int, settings: Settings) -> None:
    """Raise `TooLarge` if a batch and the outputs of all layers for it would not fit into a worker's memory.

    A batch size that the plan leaves open is chosen within the limit.
    """
    most = _most_rows_a_batch(architecture, settings)
    if min(plan.batch_size or 1, rows) > most:
        detail = (
            f"expected at most {counted(most, 'row')} in a batch for a network of this width, got {plan.batch_size}"
        )
        raise TooLarge(detail, pointer=Place("plan", "batch_size"))
    kept = plan.optimizer.vector_count + bool(plan.average) + 2
    if architecture.parameters * kept > 5 * settings.max_parameters:  # parameters, gradient, Adam's two and one more
        detail = f"{plan.optimizer.kind} would keep {kept} numbers for each of {architecture.parameters} parameters"
        raise TooLarge(
            f"{detail}, and may keep {5 * settings.max_parameters} in all", pointer=Place("plan", "optimizer")
        )


def check_manifest(job: NewJob, labels: Sequence[Label] | None) -> None:
    """Raise `TooLarge` if the contents of a model file besides its weights would exceed the limit.

    Checked at submission so that a job does not fail after hours of training.
    """
    encoder = job.preprocessing
    parts = {
        "the encoder": encoder,
        "the classes": list(labels or ()),
        "architecture and plan": [job.architecture, job.plan],
    }
    pointers = {"the encoder": "encoder", "the classes": "classes", "architecture and plan": "architecture"}
    sizes = {name: _json_bytes(value) for name, value in parts.items()}
    if sum(sizes.values()) <= _MOST_JSON:
        return
    largest = max(sizes, key=sizes.__getitem__)
    detail = f"{largest} would take {sizes[largest]} bytes; a model may have {_MOST_JSON} bytes besides its weights"
    if largest != "the encoder" or encoder is None:
        help_ = "use shorter labels" if largest == "the classes" else "use fewer layers or class weights"
        raise TooLarge(f"{detail}; {help_}", pointer=pointers[largest], reason="MODEL_TOO_LARGE")
    columns = {str(item["name"]): _json_bytes(item) for item in cast("list[JSONObject]", encoder["fitted"])}
    name = max(columns, key=columns.__getitem__)
    help_ = "encode it by hashing, which takes far less, lower `most` of one_hot, or ignore it"
    detail = f"{detail}. Column {name[:64]!r} takes most, {columns[name]} bytes: {help_}"
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
        detail = f"expected {counted(needs.features, 'input')}, the number of features in the rows, got {sent}"
        raise InvalidRequest(detail, pointer=Place("architecture", "inputs"))
    return needs.features


def _fill_output_layer(layers: list[JSONObject], *, complete: bool, needs: Needs | None) -> None:
    outputs = None if needs is None else needs.outputs
    last = layers[-1]
    if "units" not in last:
        last["units"] = outputs or 1
    elif complete or last.get("activation", "identity") == "identity":
        one = needs is not None and needs.or_one_output and last["units"] == 1
        if outputs is not None and last["units"] != outputs and not one:
            what = "one for each class" if needs is not None and needs.of_classes else "one for each target"
            hint = "" if complete else "; leave `units` out, or make this a hidden layer by an activation"
            detail = f"expected {counted(outputs, 'unit')} in the output layer, {what}, got {last['units']}{hint}"
            raise InvalidRequest(detail, pointer=Place("architecture", "layers", len(layers) - 1, "units"))
    else:
        layers.append({"units": outputs or 1})


def _check_units(layers: list[JSONObject], most: int) -> None:
    for index, layer in enumerate(layers):
        units = layer.get("units")
        if isinstance(units, int) and units > most:
            pointer = Place("architecture", "layers", index, "units")
            raise TooLarge(f"expected at most {most} units, got {units}", pointer=pointer, reason="MODEL_TOO_LARGE")


def _as_invalid_request(root: str | Place, read: Callable[[], T]) -> T:
    """Return the result of `read`, turning the core's errors into `InvalidRequest`."""
    try:
        return read()
    except InvalidInput as error:
        raise InvalidRequest(error.detail, pointer=Place(root, error.place), reason=error.reason) from error
