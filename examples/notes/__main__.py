"""Draws the figures of docs/notes.md into a folder, with numbers.json, and the tables of them into a document.

`make docs-figures` runs it: python -m examples.notes docs/figures --document docs/notes.md
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from examples.notes import activations, approximation, capacity, convergence, layers, neuron, seeds, signals
from examples.notes.drawing import Drawing

FIGURES: dict[str, Callable[..., Drawing]] = {
    "linear-classifier": neuron.linear_classifier,
    "forgetting": neuron.forgetting,
    "activations": activations.activations,
    "vanishing": signals.vanishing,
    "large-weights": signals.large_weights,
    "zig-zag": signals.zig_zag,
    "relu-tanh": convergence.relu_tanh,
    "dead-units": convergence.dead_units,
    "layers": layers.layers,
    "approximation": approximation.approximation,
    "depth": seeds.depth,
    "hidden-units": capacity.hidden_units,
    "final-losses": seeds.final_losses,
    "regularization": capacity.regularization,
    "dropout": convergence.dropout,
}
"""Every figure by its name, in the order of the document."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws the figures of docs/notes.md.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--document", type=Path, help="the Markdown file whose tables are written anew")
    parser.add_argument("--quick", action="store_true", help="trains so little that it takes seconds")
    parser.add_argument("--only", choices=FIGURES, action="append", help="this figure alone; may be repeated")
    chosen = parser.parse_args()
    kept = chosen.folder / "numbers.json"
    numbers = json.loads(kept.read_text()) if chosen.only and kept.exists() else {}
    for name in chosen.only or FIGURES:
        start = time.monotonic()
        drawing = FIGURES[name](quick=chosen.quick)
        drawing.save(chosen.folder / f"{name}.svg")
        numbers[name] = drawing.numbers()
        print(f"{name:18} {time.monotonic() - start:5.1f} s")
    kept.write_text(json.dumps({name: numbers[name] for name in FIGURES if name in numbers}, indent=1) + "\n")
    if chosen.document:
        chosen.document.write_text(with_tables(chosen.document.read_text(), numbers))


def with_tables(text: str, numbers: dict[str, list[dict[str, str]]]) -> str:
    """`text` with the table under each figure, if it has one, made from the figure's numbers."""
    for name, rows in numbers.items():
        made = table(rows).replace("\\", r"\\")
        text = re.sub(rf"(\(figures/{name}\.svg\)\n\n)(?:\|.*\n)+", rf"\g<1>{made}", text)
    return text


def table(rows: list[dict[str, str]]) -> str:
    """`rows` as a table of Markdown."""
    lines = [list(rows[0]), ["---", *["--:"] * (len(rows[0]) - 1)], *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
