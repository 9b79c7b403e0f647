"""Points of two classes in the plane, and where a network draws the line between them."""

from __future__ import annotations

import numpy as np
from examples.notes.drawing import BLACK, BLUE, ORANGE
from matplotlib.axes import Axes

from layerwise import MLP

PAPER = ("#cfe3f0", "#f6d9c6")
"""Light shades of the two classes' colours."""


def points(axes: Axes, X: np.ndarray, y: np.ndarray) -> None:
    """Draws the rows `X` (n, 2), circles of class 0 and squares of class 1."""
    for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "s")):
        own = X[y == label]
        axes.plot(own[:, 0], own[:, 1], marker, color=colour, markersize=4.5, markeredgecolor="white", mew=0.6)
    axes.set(xlabel="first input", ylabel="second input")


def regions(axes: Axes, model: MLP, X: np.ndarray, y: np.ndarray) -> None:
    """Colours the plane by the class that `model`, of two outputs, answers there, with the points on it."""
    low, high = X.min(axis=0) - 0.4, X.max(axis=0) + 0.4
    first, second = (np.linspace(low[i], high[i], 101) for i in (0, 1))
    grid = np.stack(np.meshgrid(first, second), axis=-1)
    outputs = model.outputs(grid.reshape(-1, 2))
    lead = (outputs[:, 1] - outputs[:, 0]).reshape(grid.shape[:2])
    axes.contourf(first, second, lead, levels=[-1e9, 0, 1e9], colors=PAPER)
    axes.contour(first, second, lead, levels=[0], colors=BLACK, linewidths=1.2)
    points(axes, X, y)
