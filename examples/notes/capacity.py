"""How much a network can bend: hidden units, and the strength of L2, on points of two half moons that overlap."""

from __future__ import annotations

import numpy as np
from examples.notes.drawing import Drawing, panels
from examples.notes.plane import regions

from layerwise import MLP, Adam, Architecture, Layer, Plan, fit_packed
from layerwise_client import datasets

ROWS, NOISE = 100, 0.3
STARTS = 3
"""Trainings of each network from other weights; the one of the lowest loss is kept."""


def trained(units: int, X: np.ndarray, y: np.ndarray, *, l2: float = 0.0, epochs: int = 1500) -> tuple[MLP, float]:
    """The best of STARTS networks of `units` hidden units, and the share of the rows it has right."""
    models = [MLP(Architecture(2, (Layer(units, "tanh"), Layer(2))), seed=seed) for seed in range(STARTS)]
    plan = Plan(optimizer=Adam(0.02), l2=l2, batch_size=len(X), epochs=epochs)
    *_, record = fit_packed(models, X, y, plans=plan)
    best = int(np.argmin(record.loss))
    return models[best], float(record.metric[best])


def compared(settings: list[dict[str, float]], *, draws: int, epochs: int) -> tuple[list[MLP], np.ndarray]:
    """For each setting the network of the first draw, and the means of (train, fresh, weights) over all draws.

    `fresh` is the share of 4,000 new points that are right, `weights` the length of all weights, without biases.
    """
    fresh_X, fresh_y = datasets.load("moons", rows=4000, noise=NOISE, seed=1000)
    shown: list[MLP] = []
    found = np.zeros((draws, len(settings), 3))
    for draw in range(draws):
        X, y = datasets.load("moons", rows=ROWS, noise=NOISE, seed=draw)
        for i, setting in enumerate(settings):
            model, train = trained(int(setting["units"]), X, y, l2=setting["l2"], epochs=epochs)
            weights = [w.ravel() for name, w in model.weights.items() if name.endswith("weight")]
            fresh = float(np.mean(model.predict(fresh_X) == fresh_y))
            found[draw, i] = train, fresh, np.linalg.norm(np.concatenate(weights))
            if draw == 0:
                shown.append(model)
    return shown, found.mean(axis=0)


def hidden_units(*, quick: bool = False) -> Drawing:
    """Decision regions of 3, 6 and 20 hidden units without any regularisation."""
    settings = [{"units": units, "l2": 0.0} for units in (3, 6, 20)]
    models, found = compared(settings, draws=1 if quick else 10, epochs=400 if quick else 1500)
    figure, axes = panels(3, "More hidden units bend the boundary around more points, the noisy ones too")
    X, y = datasets.load("moons", rows=ROWS, noise=NOISE, seed=0)
    for each, model, setting in zip(axes, models, settings, strict=True):
        regions(each, model, X, y)
        each.set_title(f"{setting['units']} hidden units, {model.summary().parameters} parameters")
    rows = tuple(
        (str(setting["units"]), str(model.summary().parameters), f"{100 * train:.1f}", f"{100 * fresh:.1f}")
        for setting, model, (train, fresh, _) in zip(settings, models, found, strict=True)
    )
    columns = ("hidden units", "parameters", "right of the 100 points, %", "right of new points, %")
    return Drawing(figure, columns, rows)


def regularization(*, quick: bool = False) -> Drawing:
    """Decision regions of 20 hidden units at three strengths of L2, and without it in the table."""
    settings = [{"units": 20, "l2": l2} for l2 in (0.0, 1e-4, 1e-3, 1e-2)]
    models, found = compared(settings, draws=1 if quick else 10, epochs=400 if quick else 1500)
    figure, axes = panels(3, "The same 20 hidden units: the stronger L2, the smoother the boundary")
    X, y = datasets.load("moons", rows=ROWS, noise=NOISE, seed=0)
    for each, model, setting in zip(axes, models[1:], settings[1:], strict=True):
        regions(each, model, X, y)
        each.set_title(f"l2 = {setting['l2']:g}")
    rows = tuple(
        (f"{setting['l2']:g}", f"{norm:.1f}", f"{100 * train:.1f}", f"{100 * fresh:.1f}")
        for setting, (train, fresh, norm) in zip(settings, found, strict=True)
    )
    columns = ("l2", "length of the weights", "right of the 100 points, %", "right of new points, %")
    return Drawing(figure, columns, rows)
