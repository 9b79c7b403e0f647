"""A network as an ONNX model: what it computes, and what its outputs mean."""

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
"""What a message of Protocol Buffers holds, less room for the rest."""


def to_onnx(model: MLP) -> onnx.ModelProto:
    """The ONNX model that computes what `model` predicts.

    It reads `rows` (rows, inputs) in the network's dtype. Its outputs, of any number of rows:

        a classifier          `label` (rows,): int64, string or bool
            with probabilities    `probabilities` (rows, labels)
            without               `outputs` (rows, k), of the last layer
        flags                 `flags` (rows, k), int64, and `probabilities` (rows, k)
        values                `values`, (rows,) of a single output, else (rows, k)
        an untrained network  `outputs` (rows, k)

    Of a network with an encoder there is an input (rows, 1) for each column instead, by its name: float64 for numbers,
    NaN where one is missing; string for categories, empty where missing; int64 for dates, the seconds from 1970 in UTC,
    as NumPy makes them of datetime64[s], NaT included. An output whose name a column has is called "label 2", and so
    on. What the encoder refuses gives NaN.

    Loss, labels, metrics and lineage stand in its metadata, as JSON. Raises InvalidInput if the network is too large
    for one ONNX file, 2 GB, or an encoding cannot be computed there, hashing.
    """
    if model.parameters.nbytes + model.statistics.nbytes > MOST_BYTES:
        found = model.parameters.nbytes + model.statistics.nbytes
        raise InvalidInput("model", f"expected at most {MOST_BYTES:,} bytes, as an ONNX file holds, got {found:,}")
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
    """Writes `to_onnx(model)` to `path`, wholly or not at all; returns the file's SHA-256. Raises InvalidInput."""
    text = to_onnx(model).SerializeToString(deterministic=True)
    return atomic.write(Path(path), lambda file: file.write(text))


def add_model_outputs(graph: Graph, scores: str, model: MLP) -> None:
    """Adds what `scores` (rows, k), the outputs of the last layer, say: the outputs of the graph."""
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
    elif k > 1:  # of log σ(s) = -softplus(-s), so that sigmoids that all vanish still have a sum
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
    """The value (rows, 1) as (rows,)."""
    return graph.node("Squeeze", scores, graph.integers(1), name=name)
