"""Import of PyTorch networks from their state dicts, in the order of the modules."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from layerwise.activations import Activation, PReLU
from layerwise.checks import real_number, shown
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput, Place
from layerwise.imports.dense import (
    Dense,
    NormalizationArrays,
    build_model,
    dimensions_of,
    finite_array,
    layer_activations,
)
from layerwise.losses import Loss
from layerwise.model import MLP
from layerwise.network.normalization import EPSILON
from layerwise.types import Floats

PARTS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def from_torch(
    state: Mapping[str, object],
    *,
    loss: str | Loss,
    labels: Iterable[Label] | None = None,
    activation: str | Activation | Sequence[str | Activation] = "relu",
    output_activation: str | Activation = "identity",
    epsilon: float = EPSILON,
) -> MLP:
    """Return the network with the state of a PyTorch module.

    Its modules are Linear, each optionally followed by BatchNorm1d or LayerNorm, then by PReLU, in the order in which
    they compute. Other activations have no arrays and are not in the state: pass them. A LayerNorm after a Linear with
    bias cannot be expressed; a normalisation that does not directly follow its Linear in an nn.Sequential is refused.

    Parameters
    ----------
    state : mapping of str to array or CPU tensor
        `module.state_dict()`.
    loss : str or Loss
        What the outputs mean.
    labels : iterable of label, optional
        The labels of the outputs. By default classes are 0, 1 …, and sigmoid_cross_entropy has flags.
    activation : str, Activation, or sequence of them, default "relu"
        Activation of all hidden layers, or one for each. A layer with a PReLU of one slope keeps it; one with a slope
        for each unit needs "prelu" here, as other modules have the same arrays.
    output_activation : str or Activation, default "identity"
        Activation of the last layer; "identity" also for a softmax or sigmoid that belongs to the loss.
    epsilon : float, default 1e-5
        Epsilon of the normalisations.

    Returns
    -------
    MLP

    Raises
    ------
    InvalidInput
        If the model cannot be converted.
    """
    if not isinstance(state, Mapping) or not state:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput("state", f"expected arrays by name, got {shown(state)}")
    added = real_number("epsilon", epsilon, above=0)
    linear: list[tuple[str, dict[str, object]]] = []
    normal: dict[int, NormalizationArrays] = {}
    slope: dict[int, Floats] = {}
    slope_places: dict[int, Place] = {}
    for module, parts in _modules(state).items():
        if "weight" in parts and "running_mean" not in parts and dimensions_of(parts["weight"]) >= 2:
            linear.append((module, parts))
            continue
        i, where = len(linear) - 1, Place("state", module)
        if not linear:
            raise InvalidInput(where, "expected a Linear first, with a weight of shape (out, in)")
        if "bias" in parts or "running_mean" in parts:
            if i in normal or i in slope:
                raise InvalidInput(where, "expected a normalisation only between a Linear and its activation")
            _check_place(linear[-1][0], module)
            normal[i] = _normalization(module, parts, added)
        elif i in slope:
            raise InvalidInput(where, "expected a Linear after a PReLU, got another PReLU")
        else:
            slope_places[i] = _place(module, "weight")
            slope[i] = finite_array(slope_places[i], parts.get("weight"))
    if not linear:
        raise InvalidInput("state", "expected at least one Linear")
    chosen = layer_activations(activation, output_activation, len(linear))
    for i, slopes in slope.items():
        units = cast(Floats, linear[i][1]["weight"]).shape[0]
        if 1 < slopes.size == units and not isinstance(chosen[i], PReLU):
            wanted = f"expected activation='prelu' for the layer {linear[i][0]} if these are the slopes of a PReLU"
            detail = f"{wanted}; a LayerNorm without bias and an RMSNorm have the same arrays and cannot be imported"
            raise InvalidInput(slope_places[i], detail)
    layers = [
        _dense(module, parts, PReLU() if i in slope else chosen[i], normal.get(i), slope.get(i))
        for i, (module, parts) in enumerate(linear)
    ]
    return build_model(layers, loss=loss, labels=labels, source="PyTorch")


def _modules(state: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Return the arrays of each module by their names in it, in the order of `state`."""
    found: dict[str, dict[str, object]] = {}
    for name, value in cast(Mapping[object, object], state).items():
        module, _, part = name.rpartition(".") if isinstance(name, str) else ("", "", "")
        if part not in PARTS:
            wanted = f"expected names that end in {', '.join(PARTS)}"
            detail = f"{wanted}: Linear, BatchNorm1d, LayerNorm and PReLU have no others"
            raise InvalidInput(Place("state", str(name)), detail)
        found.setdefault(module, {})[part] = value
    return found


def _place(module: str, part: str) -> Place:
    """Return the place of an array, whose name in the state is one step."""
    return Place("state", f"{module}.{part}" if module else part)


def _check_place(linear: str, normal: str) -> None:
    """Raise InvalidInput if both are in one nn.Sequential, but not next to each other."""
    before, after = (re.fullmatch(r"(.*?)(\d+)", name) for name in (linear, normal))
    if before and after and before[1] == after[1] and int(after[2]) != int(before[2]) + 1:
        detail = f"expected it directly after its Linear {linear}: normalisation after the activation is not supported"
        raise InvalidInput(Place("state", normal), detail)


def _normalization(module: str, parts: Mapping[str, object], epsilon: float) -> NormalizationArrays:
    given = {part: finite_array(_place(module, part), parts[part]) for part in PARTS[:4] if part in parts}
    if "running_mean" not in parts:
        return NormalizationArrays(kind="layer", scale=given.get("weight"), shift=given["bias"], epsilon=epsilon)
    if "running_var" not in parts:
        raise InvalidInput(_place(module, "running_var"), "expected the variances, there are none")
    return NormalizationArrays(
        kind="batch",
        scale=given.get("weight"),
        shift=given.get("bias"),
        mean=given["running_mean"],
        variance=given["running_var"],
        epsilon=epsilon,
    )


def _dense(
    module: str,
    parts: Mapping[str, object],
    activation: Activation,
    normal: NormalizationArrays | None,
    slope: Floats | None,
) -> Dense:
    where = _place(module, "weight")
    weight = finite_array(where, parts["weight"], dimensions=2).T
    bias = None
    if "bias" in parts:
        bias = finite_array(_place(module, "bias"), parts["bias"], shape=(weight.shape[1],))
    return Dense(where=where, weight=weight, bias=bias, activation=activation, normal=normal, slope=slope)
