"""Export of networks as ONNX models."""

import json
from os import PathLike
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.files import atomic
from layerwise.files.manifest import installed_version
from layerwise.model import MLP
from layerwise.onnx.columns import encoder_nodes
from layerwise.onnx.graph import Graph
from layerwise.onnx.layers import network_nodes, softplus

INPUT = "rows"
MOST_BYTES = 2**31 - 2**24
"""The limit of a Protocol Buffers message, less room for everything but the weights."""


def to_onnx(model: MLP) -> onnx.ModelProto:
    """Return the ONNX model that computes the predictions of a model.

    Its input is `rows` (rows, inputs), in the model's dtype. With an encoder it has an input (rows, 1) for each column
    instead: float64 for numbers, NaN if missing; string for categories, empty if missing; int64 for dates, seconds
    since 1970 in UTC as in datetime64[s], NaT if missing. Values that the encoder refuses give NaN.

    Its outputs, for any number of rows, are:

        classifier           `label` (rows,): int64, string or bool
          with probabilities   `probabilities` (rows, labels)
          without              `outputs` (rows, k), of the last layer
        flags                `flags` (rows, k), int64, and `probabilities` (rows, k)
        values               `values`, (rows,) for a single output, else (rows, k)
        untrained network    `outputs` (rows, k)

    An output with the name of a column gets a number, such as "label 2".

    Parameters
    ----------
    model : MLP
        The model.

    Returns
    -------
    onnx.ModelProto
        Loss, labels, metrics and lineage are in its metadata, as JSON.

    Raises
    ------
    InvalidInput
        If the network exceeds 2 GB, the limit of an ONNX file, or the encoder uses hashing.

    Examples
    --------
    >>> from layerwise import MLP, Architecture, Layer
    >>> from layerwise.onnx import to_onnx
    >>> model = MLP(Architecture(inputs=4, layers=(Layer(3, activation="relu"), Layer(2))))
    >>> [output.name for output in to_onnx(model).graph.output]
    ['outputs']
    """
    if model.parameters.nbytes + model.statistics.nbytes > MOST_BYTES:
        found = model.parameters.nbytes + model.statistics.nbytes
        raise InvalidInput("model", f"expected at most {MOST_BYTES:,} bytes, the limit of an ONNX file, got {found:,}")
    graph = Graph(model.dtype)
    if model.encoder is None:
        rows = graph.input(INPUT, graph.number_type, model.architecture.inputs)
    else:
        rows = encoder_nodes(graph, model.encoder)
    add_model_outputs(graph, network_nodes(graph, rows, model.architecture, model.weights), model)
    notes = {"loss": model.loss, "labels": model.labels, "metrics": model.metrics, "lineage": model.lineage}
    return graph.model(
        version=installed_version(),
        description=str(model.summary()),
        notes={name: json.dumps(note, ensure_ascii=False) for name, note in notes.items() if note},
    )


def export_onnx(model: MLP, path: str | PathLike[str]) -> str:
    """Write a model to an ONNX file, atomically.

    Parameters
    ----------
    model : MLP
        The model.
    path : str or path-like
        The file.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    InvalidInput
        If `to_onnx` cannot convert the model.
    """
    text = to_onnx(model).SerializeToString(deterministic=True)
    return atomic.write(Path(path), lambda file: file.write(text))


def add_model_outputs(graph: Graph, scores: str, model: MLP) -> None:
    """Add the outputs of the graph, computed from the outputs `scores` (rows, k) of the last layer."""
    k, plan = model.architecture.outputs, model.plan
    if model.labels is not None and model.is_classifier:
        _add_label(graph, scores, model.labels, k)
    elif plan is not None and plan.loss.targets == "flags":
        positive = graph.node("Greater", scores, graph.number(0))
        graph.output(graph.node("Cast", positive, name="flags", to=TensorProto.INT64), TensorProto.INT64, k)
    elif plan is not None:
        _add_values(graph, scores, k, logarithmic=plan.loss.link == "exp")
        return
    if model.gives_probabilities:
        _add_probabilities(graph, scores, model, k)
    else:
        graph.output(graph.node("Identity", scores, name="outputs"), graph.number_type, k)


def _add_label(graph: Graph, scores: str, labels: tuple[Label, ...], k: int) -> None:
    known, kind = graph.labels("labels", labels)
    if k > 1:
        chosen = graph.node("ArgMax", scores, name="chosen", axis=1, keepdims=0)
    else:
        positive = graph.node("Greater", _flat(graph, scores, "score"), graph.number(0))
        chosen = graph.node("Cast", positive, name="chosen", to=TensorProto.INT64)
    graph.output(graph.node("Gather", known, chosen, name="label", axis=0), kind)


def _add_probabilities(graph: Graph, scores: str, model: MLP, k: int) -> None:
    assert model.plan is not None
    name = "probabilities"
    if model.plan.loss.link == "softmax":
        found = graph.node("Softmax", scores, name=name, axis=1)
    elif model.labels is None:
        found = graph.node("Sigmoid", scores, name=name)
    elif k > 1:  # softmax of log σ(s) = -softplus(-s): works even if all sigmoids underflow
        logarithms = graph.node("Neg", softplus(graph, graph.node("Neg", scores), "cost"))
        found = graph.node("Softmax", logarithms, name=name, axis=1)
    else:
        both = graph.node("Sigmoid", graph.node("Neg", scores)), graph.node("Sigmoid", scores)
        found = graph.node("Concat", *both, name=name, axis=1)
    graph.output(found, graph.number_type, len(model.labels) if model.labels else k)


def _add_values(graph: Graph, scores: str, k: int, *, logarithmic: bool) -> None:
    if logarithmic:
        largest = graph.number(float(np.finfo(graph.dtype).max))
        scores = graph.node("Min", graph.node("Exp", scores), largest, name="means")
    if k == 1:
        graph.output(_flat(graph, scores, "values"), graph.number_type)
    else:
        graph.output(graph.node("Identity", scores, name="values"), graph.number_type, k)


def _flat(graph: Graph, scores: str, name: str) -> str:
    """Return the value (rows, 1) as (rows,)."""
    return graph.node("Squeeze", scores, graph.integers(1), name=name)
