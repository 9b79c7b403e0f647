"""The two networks that the notes count, drawn as circles and lines, and counted by the library."""

from __future__ import annotations

from itertools import pairwise

from examples.notes.drawing import BLUE, GREY, ORANGE, Drawing, panels

from layerwise import MLP, Architecture, Layer

NETWORKS = {
    "one hidden layer": Architecture(3, (Layer(4, "relu"), Layer(2))),
    "two hidden layers": Architecture(3, (Layer(4, "relu"), Layer(4, "relu"), Layer(1))),
}


def layers(*, quick: bool = False) -> Drawing:
    """The networks 3-4-2 and 3-4-4-1; the inputs are squares, for they are no neurons."""
    del quick  # nothing is trained
    figure, axes = panels(2, "Every unit takes all outputs of the layer before it")
    rows = []
    for each, (name, architecture) in zip(axes, NETWORKS.items(), strict=True):
        widths = (architecture.inputs, *(layer.units for layer in architecture.layers))
        places = [[(i, j - (width - 1) / 2) for j in range(width)] for i, width in enumerate(widths)]
        for before, after in pairwise(places):
            for start in before:
                for end in after:
                    each.plot((start[0], end[0]), (start[1], end[1]), color=GREY, linewidth=0.8, zorder=1)
        for i, column in enumerate(places):
            marker, colour = ("s", GREY) if i == 0 else ("o", BLUE if i < len(widths) - 1 else ORANGE)
            each.plot(*zip(*column, strict=True), marker, color=colour, markersize=19)
            what = "inputs" if i == 0 else "output" if i == len(widths) - 1 else f"hidden {i}"
            each.text(i, -2.15, what, ha="center")
        summary = MLP(architecture).summary()
        each.set(xlim=(-0.4, len(widths) - 0.6), ylim=(-2.4, 1.9))
        each.axis("off")
        each.set_title(f"{summary.neurons} neurons, {summary.parameters} parameters", loc="center")
        weights = sum(layer.weights for layer in summary.layers)
        shape = "-".join(str(width) for width in widths)
        rows.append((name, shape, str(summary.neurons), str(weights), str(summary.parameters)))
    return Drawing(figure, ("network", "shape", "neurons", "weights", "parameters"), tuple(rows))
