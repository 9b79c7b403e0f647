"""Export of a network as one Python file: code for its layers, weights in base64, and a self-check."""

import base64
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.errors import InvalidInput
from layerwise.files import atomic
from layerwise.files.manifest import installed_version
from layerwise.model import MLP
from layerwise.standalone import program
from layerwise.standalone.answers import answers_source
from layerwise.standalone.columns import encoder_source
from layerwise.standalone.layers import Functions, network_source
from layerwise.standalone.probes import probe_rows, probe_table
from layerwise.standalone.readers import READ_TABLE, called_by
from layerwise.types import Floats

MOST_BYTES = 2**28
"""The most bytes of weights: Python holds a source file in memory several times."""
LINE = 100
"""Characters of base64 on a line."""


def export_standalone(model: MLP, path: str | PathLike[str]) -> str:
    """Write a model to a Python program, atomically.

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
        If the weights exceed 256 MiB.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from layerwise import MLP, Architecture, Layer
    >>> from layerwise.standalone import export_standalone
    >>> model = MLP(Architecture(inputs=4, layers=(Layer(3, activation="relu"), Layer(2))))
    >>> with TemporaryDirectory() as folder:
    ...     sha256 = export_standalone(model, f"{folder}/predict.py")
    >>> len(sha256)
    64
    """
    text = to_standalone(model).encode()
    return atomic.write(Path(path), lambda file: file.write(text))


def to_standalone(model: MLP) -> str:
    """Return the source of a Python program that predicts what a model predicts and needs only NumPy.

    As a module it has `predict(X)`, `predict_proba(X)` if the model gives probabilities, `outputs(X)` and `LABELS`; `X`
    is rows (n, inputs) or, with an encoder, a table: columns by name, or a list of dicts, whose extra columns are
    ignored. Run as a script, it reads rows from a file or standard input and prints one prediction a line; with
    --check it verifies its outputs for a few rows.

    Parameters
    ----------
    model : MLP
        The model.

    Returns
    -------
    str
        The source.

    Raises
    ------
    InvalidInput
        If the weights exceed 256 MiB.
    """
    if model.parameters.nbytes + model.statistics.nbytes > MOST_BYTES:
        found = model.parameters.nbytes + model.statistics.nbytes
        raise InvalidInput("model", f"expected at most {MOST_BYTES:,} bytes of weights, got {found:,}")
    answers, called = answers_source(model)
    functions = called | (encoder_source(model.encoder) | called_by(READ_TABLE) if model.encoder else {})
    code = [
        answers,
        _outputs(model, functions),
        *functions.values(),
        program.CHECKED,
        READ_TABLE if model.encoder else program.READ,
        program.CHECK,
        program.ARRAY,
    ]
    imports = program.IMPORTS_OF_TABLES if model.encoder else program.IMPORTS
    head = f'"""{_description(model)}"""\n\n{imports}\n{_constants(model)}'
    return "\n\n".join([head, *code, f"{_arrays(model)}\n{_main(model)}"])


def _outputs(model: MLP, functions: Functions) -> str:
    """Return the function `outputs`, and add the functions that it calls to `functions`."""
    statements, called = network_source(model.architecture)
    functions |= called
    k, rows = model.architecture.outputs, "encoded(X) if is_table(X) else X" if model.encoder else "X"
    return (
        f'def outputs(X):\n    """Return the outputs of the last layer for the rows of `X`, (n, {k})."""\n'
        f"    x = checked({rows})\n" + "".join(f"    {statement}\n" for statement in statements) + "    return x\n"
    )


def _arrays(model: MLP) -> str:
    """Return weights, probe rows, and the network's outputs for them."""
    if model.encoder:
        table = probe_table(model.encoder)
        outputs, rows = model.outputs(table), "[\n" + "".join(f"    {row!r},\n" for row in table) + "]"
    else:
        numbers = probe_rows(model)
        outputs, rows = model.outputs(numbers), _array(numbers, "")
    return f"weights = {_dictionary(model.weights)}\nprobe_rows = {rows}\nprobe_outputs = {_array(outputs, '')}\n"


def _description(model: MLP) -> str:
    what = "labels" if model.is_classifier else "flags" if model.gives_probabilities else "values"
    table = "\n".join(f"    {line}".rstrip() for line in str(model.summary()).splitlines())
    proba = "    python FILE --proba rows.csv    print probabilities instead\n" if model.gives_probabilities else ""
    rows = f"an array or a list of rows of {model.architecture.inputs} numbers"
    if model.encoder:
        rows = "a list of rows by column name, or columns by name"
    kind = "rows with column names" if model.encoder else "rows of numbers"
    return (
        f"Predicts {what} with a neural network. Needs only Python and NumPy.\n\n"
        f"    python FILE rows.csv            print one prediction per line, as JSON; reads {kind}, CSV or JSON,\n"
        "                                    from the standard input if there is no file\n"
        f"{proba}"
        "    python FILE --check             check that the predictions on this machine are right\n\n"
        f"From Python: predict(X), where X is {rows}.\nWritten by Layerwise {installed_version()}.\n\n{table}\n"
    )


def _constants(model: MLP) -> str:
    labels = list(model.labels) if model.labels is not None else None
    columns = f"COLUMNS = {[column.name for column in model.encoder.columns]!r}\n" if model.encoder else ""
    return f'INPUTS = {model.architecture.inputs}\nDTYPE = "{model.dtype}"\nLABELS = {labels!r}\n{columns}'


def _main(model: MLP) -> str:
    warned = program.WARNED if model.encoder else ""
    if not model.gives_probabilities:
        return program.MAIN.format(flags="()", warned=warned, answers="predict(rows)")
    either = '(predict_proba if "--proba" in sys.argv else predict)(rows)'
    return program.MAIN.format(flags='("--proba",)', warned=warned, answers=either)


def _dictionary(arrays: Mapping[str, Floats]) -> str:
    return "{\n" + "".join(f'    "{name}": {_array(array, "    ")},\n' for name, array in arrays.items()) + "}"


def _array(array: NDArray[Any], indent: str) -> str:
    """Return a call of the program's function `array`."""
    text = base64.b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).decode()
    lines = "\n".join(text[i : i + LINE] for i in range(0, len(text), LINE))
    return f'array(\n{indent}    {array.shape},\n{indent}    """\n{lines}\n""",\n{indent})'
