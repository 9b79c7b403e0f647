"""A network as one file of Python: readable code for exactly its layers, its weights in base64, and a self-check."""

import base64
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import atomic
from layerwise.activations import Floats
from layerwise.errors import InvalidInput
from layerwise.manifest import own_version
from layerwise.model import MLP
from layerwise.standalone import program
from layerwise.standalone.answers import answers_source
from layerwise.standalone.layers import network_source

MOST_BYTES = 2**28
"""Of weights: Python reads a file of source into memory several times over."""
PROBES = 8
"""Rows that the self-check compares."""
LINE = 100
"""Characters of base64 a line."""


def export_standalone(model: MLP, path: str | PathLike[str]) -> str:
    """Writes `to_standalone(model)` to `path`, wholly or not at all; gives the file's SHA-256. Raises InvalidInput."""
    text = to_standalone(model).encode()
    return atomic.write(Path(path), lambda file: file.write(text))


def to_standalone(model: MLP) -> str:
    """The source of a program that predicts what `model` predicts, and needs NumPy alone.

    Imported, it has `predict(X)`, `predict_proba(X)` if the network gives probabilities, `outputs(X)` and `LABELS`,
    for rows `X` (n, inputs). Run, it reads rows from its standard input and prints a prediction a line; with --check
    it compares what it computes of a few rows with what the network did. Raises InvalidInput if the weights are
    larger than 256 MiB.
    """
    if model.parameters.nbytes + model.statistics.nbytes > MOST_BYTES:
        found = model.parameters.nbytes + model.statistics.nbytes
        raise InvalidInput("model", f"expected at most {MOST_BYTES:,} bytes of weights, got {found:,}")
    statements, functions = network_source(model.architecture)
    answers, called = answers_source(model)
    rows = _probes(model)
    outputs = (
        "def outputs(X):\n"
        f'    """The outputs of the last layer for the rows `X` (n, INPUTS), (n, {model.architecture.outputs})."""\n'
        "    x = checked(X)\n" + "".join(f"    {statement}\n" for statement in statements) + "    return x\n"
    )
    arrays = (
        f"weights = {_dictionary(model.weights)}\n"
        f"probe_rows = {_array(rows, '')}\n"
        f"probe_outputs = {_array(model.outputs(rows), '')}\n"
    )
    functions = dict(sorted((functions | called).items()))
    code = [answers, outputs, *functions.values(), program.CHECKED, program.READ, program.CHECK, program.ARRAY]
    return "\n\n".join(
        [f'"""{_description(model)}"""\n\n{program.IMPORTS}\n{_constants(model)}', *code, f"{arrays}\n{_main(model)}"]
    )


def _description(model: MLP) -> str:
    what = "labels" if model.is_classifier else "flags" if model.gives_probabilities else "values"
    table = "\n".join(f"    {line}".rstrip() for line in str(model.summary()).splitlines())
    proba = "    python FILE --proba < rows.csv  their probabilities\n" if model.gives_probabilities else ""
    return (
        f"Predicts {what} with a neural network. Python and NumPy are all it needs.\n\n"
        "    python FILE < rows.csv          a prediction a line, in JSON; rows of numbers as CSV or JSON\n"
        f"{proba}"
        "    python FILE --check             whether this file computes here what it should\n\n"
        f"From Python: predict(X), of rows of {model.architecture.inputs} numbers. "
        f"Written by Layerwise {own_version()}.\n\n{table}\n"
    )


def _constants(model: MLP) -> str:
    labels = list(model.labels) if model.labels is not None else None
    return f'INPUTS = {model.architecture.inputs}\nDTYPE = "{model.dtype}"\nLABELS = {labels!r}\n'


def _main(model: MLP) -> str:
    plain = "predict(read(sys.stdin.read()))"
    if not model.gives_probabilities:
        return program.MAIN.format(flags="[[]]", answers=plain)
    either = "(predict_proba if sys.argv[1:] else predict)(read(sys.stdin.read()))"
    return program.MAIN.format(flags='([], ["--proba"])', answers=either)


def _probes(model: MLP) -> Floats:
    """Rows (PROBES, inputs) that enter the network with about zero mean and unit variance."""
    architecture = model.architecture
    inside = np.random.default_rng(0).standard_normal((PROBES, architecture.inputs))
    rows: Floats = ((inside - architecture.input_shift) / architecture.input_scale).astype(model.dtype)
    return rows


def _dictionary(arrays: Mapping[str, Floats]) -> str:
    return "{\n" + "".join(f'    "{name}": {_array(array, "    ")},\n' for name, array in arrays.items()) + "}"


def _array(array: NDArray[Any], indent: str) -> str:
    """A call of the program's `array`."""
    text = base64.b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).decode()
    lines = "\n".join(text[i : i + LINE] for i in range(0, len(text), LINE))
    return f'array(\n{indent}    {array.shape},\n{indent}    """\n{lines}\n""",\n{indent})'
