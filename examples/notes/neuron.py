"""One neuron: the line it draws with two losses, and what L2 does to weights that no row holds."""

from __future__ import annotations

import numpy as np
from examples.notes.drawing import BLACK, BLUE, GREEN, GREY, ORANGE, Drawing, panels
from examples.notes.plane import points

from layerwise import MLP, SGD, Adam, Architecture, Hinge, Layer, Plan, SigmoidCrossEntropy, fit

NEURON = Architecture(2, (Layer(1),))
LOSSES = {"cross-entropy": SigmoidCrossEntropy(), "hinge": Hinge(form="one_vs_rest")}


def clouds(rows: int, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Two round clouds of deviation 1, half of the rows each, with centres at ±`distance` in both inputs."""
    rng = np.random.default_rng(3)
    y = np.arange(rows) % 2
    return rng.normal(size=(rows, 2)) + np.where(y == 1, distance, -distance)[:, None], y


def linear_classifier(*, quick: bool = False) -> Drawing:
    """The boundaries of one neuron trained with cross-entropy and with the hinge, and the rows that still pull."""
    X, y = clouds(60 if quick else 120, 1.3)
    figure, axes = panels(2, "One neuron draws one line; the hinge asks only the points near it", height=4.2)
    rows = []
    for each, (name, loss) in zip(axes, LOSSES.items(), strict=True):
        model = MLP(NEURON, seed=0, dtype=np.float64)
        for _ in fit(model, X, y, plan=Plan(loss=loss, optimizer=Adam(0.05), l2=0.01, batch_size=len(X), epochs=400)):
            pass
        lead = model.outputs(X)[:, 0] * (2 * y - 1)
        pulls = lead < 1 if name == "hinge" else np.ones(len(X), bool)
        right = float(np.mean(model.predict(X) == y))
        w, b = model.weights["layer0/weight"][:, 0], model.weights["layer0/bias"][0]
        rows.append((name, f"{w[0]:.2f}", f"{w[1]:.2f}", f"{b:.2f}", str(pulls.sum()), f"{100 * right:.1f}"))
        points(each, X, y)
        each.plot(*X[pulls].T, "o", markersize=9, fillstyle="none", color=BLACK, mew=0.7)
        for level, style in ((0, "-"), (-1, ":"), (1, ":")):
            each.axline((0, (level - b) / w[1]), slope=-w[0] / w[1], color=BLACK, linestyle=style, linewidth=1.3)
        each.set(xlim=(-4.2, 4.2), ylim=(-4.2, 4.2), aspect="equal")
        each.set_title(f"{name}: {pulls.sum()} of {len(X)} points pull (ringed)")
    columns = ("loss", "first weight", "second weight", "bias", "points that pull", "right, %")
    return Drawing(figure, columns, tuple(rows))


def forgetting(*, quick: bool = False) -> Drawing:
    """The length of a neuron's weights while only L2 acts on it, until the points hold it."""
    rate, l2, steps = 0.1, 0.1, 600
    X, y = clouds(40 if quick else 120, 4.0)
    figure, (axes,) = panels(1, "L2 forgets: with no point inside the margin, every step keeps 99 % of each weight")
    start = {"layer0/weight": [[6.0], [8.0]]}
    lengths = {}
    for strength in (0.0, l2):
        model = MLP(NEURON, dtype=np.float64, weights=start)
        plan = Plan(loss=LOSSES["hinge"], optimizer=SGD(rate), l2=strength, batch_size=len(X), epochs=steps)
        lengths[strength] = [10.0]
        for _ in fit(model, X, y, plan=plan):
            lengths[strength].append(float(np.linalg.norm(model.weights["layer0/weight"])))
    t = np.arange(steps + 1)
    formula = 10 * (1 - rate * l2) ** t
    axes.plot(t, lengths[0.0], color=GREEN, label="no L2: nothing moves")
    axes.plot(t, formula, "--", color=GREY, label="10 · 0.99ᵗ")
    axes.plot(t, lengths[l2], color=BLUE, label="L2: decays until the points hold it")
    axes.axvline(first_held(lengths[l2], formula), color=ORANGE, linewidth=1, label="a point comes within the margin")
    axes.set(xlabel="step t", ylabel="length of the weights", ylim=(0, 11))
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.62))
    columns = ("step", "length without L2", "length with L2", "10 · 0.99ᵗ")
    shown = (0, 100, 200, 400, 600)
    rows = tuple((str(i), *(f"{v:.3f}" for v in (lengths[0.0][i], lengths[l2][i], formula[i]))) for i in shown)
    return Drawing(figure, columns, rows)


def first_held(lengths: list[float], formula: np.ndarray) -> int:
    """The first step at which the weights are longer than decay alone would leave them."""
    return int(np.argmax(np.abs(np.array(lengths) - formula) > 1e-9))
