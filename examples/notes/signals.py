"""What becomes of a gradient on its way down: many sigmoid layers, large weights, inputs of one sign."""

from __future__ import annotations

import numpy as np
from examples.notes.drawing import BLACK, BLUE, GREEN, ORANGE, Drawing, panels

from layerwise import MLP, SGD, Architecture, Layer, Plan, fit
from layerwise_client import datasets

STYLES = {"sigmoid": (ORANGE, "s--"), "tanh": (GREEN, "^:"), "relu": (BLUE, "o-")}


def vanishing(*, quick: bool = False) -> Drawing:
    """The gradient's length in each of nine layers after the first step, seen by the doctor."""
    X, y = datasets.load("digits")
    seeds = 1 if quick else 5
    figure, (axes,) = panels(1, "Eight sigmoid layers let next to nothing through to the first")
    rows = []
    for name, (colour, style) in STYLES.items():
        layers = (Layer(32, name),) * 8 + (Layer(10),)
        norms = []
        for seed in range(seeds):
            model = MLP(Architecture(64, layers, input_scale=1 / 8, input_shift=-1), seed=seed)
            record = next(fit(model, X, y, plan=Plan(optimizer=SGD(0.01), batch_size=len(X), epochs=1)))
            norms.append([layer.gradient_norm for layer in record.layers])
        norm = np.mean(norms, axis=0)
        axes.semilogy(range(1, 10), norm, style, color=colour, label=name)
        rows.append((name, *(f"{value:.1e}" for value in (norm[0], norm[4], norm[8])), f"{norm[8] / norm[0]:.1e}"))
    axes.set(xlabel="layer, the first beside the inputs, the ninth is the output", ylabel="length of the gradient")
    axes.set_xticks(range(1, 10))
    axes.legend(loc="lower right")
    return Drawing(figure, ("activation", "first layer", "fifth", "output layer", "output over first"), tuple(rows))


def large_weights(*, quick: bool = False) -> Drawing:
    """How saturated a sigmoid layer is, and how long its gradient, when it starts with larger weights."""
    X, y = datasets.load("digits")
    factors = (1, 30) if quick else (1, 3, 10, 30, 100)
    architecture = Architecture(64, (Layer(64, "sigmoid"), Layer(10)), input_scale=1 / 8, input_shift=-1)
    figure, (left, right) = panels(2, "Sigmoid units with large weights saturate, and hardly learn")
    rows = []
    for factor in factors:
        drawn = MLP(architecture, seed=0).weights["layer0/weight"]
        model = MLP(architecture, seed=0, weights={"layer0/weight": factor * drawn})
        plan = Plan(optimizer=SGD(0.1), max_steps=1, epochs=1, batch_size=len(X))
        health = next(fit(model, X, y, plan=plan)).layers[0]
        *_, last = fit(model, X, y, plan=Plan(optimizer=SGD(0.1), epochs=2 if quick else 10, batch_size=32))
        assert health.saturated is not None
        moved = float(np.linalg.norm(model.weights["layer0/weight"] - factor * drawn))
        share = 100 * moved / float(np.linalg.norm(factor * drawn))
        saturated = 100 * health.saturated
        rows.append((str(factor), f"{saturated:.1f}", f"{share:.1f}", f"{100 * last.metric:.1f}"))
    table = np.array(rows, float)
    left.semilogx(table[:, 0], table[:, 1], "o-", color=ORANGE)
    left.set(xlabel="initial weights, times the usual", ylabel="saturated outputs, %", ylim=(-3, 103))
    right.loglog(table[:, 0], table[:, 2], "o-", color=BLUE)
    right.set(xlabel="initial weights, times the usual", ylabel="change, % of their length")
    left.set_title("before training")
    right.set_title("how far training moves the hidden weights")
    columns = ("weights, times the usual", "saturated at first, %", "weights changed by, %", "accuracy, %")
    return Drawing(figure, columns, tuple(rows))


def zig_zag(*, quick: bool = False) -> Drawing:
    """The way of two weights when both inputs are always positive, and when they are centred."""
    rng = np.random.default_rng(0)
    X = rng.random((500, 2))
    y = (X[:, 0] > X[:, 1]).astype(int)
    steps = 60 if quick else 300
    figure, axes = panels(2, "Row by row, inputs of one sign move both weights up or both down", height=4.0)
    rows = []
    for each, shift, colour, where in ((axes[0], 0.0, ORANGE, "0 … 1"), (axes[1], -0.5, BLUE, "−½ … ½")):
        for batch in (1, 32):
            zero = {"layer0/weight": np.zeros((2, 1))}
            model = MLP(Architecture(2, (Layer(1),), input_shift=shift), weights=zero)
            plan = Plan(
                loss="sigmoid_cross_entropy", optimizer=SGD(0.5), batch_size=batch, epochs=1000, max_steps=steps
            )
            path: list[np.ndarray] = [np.zeros(2)]
            for _ in fit(model, X, y, plan=plan, every="step"):
                path.append(model.weights["layer0/weight"][:, 0].copy())
            way = np.array(path)
            step = np.diff(way, axis=0)
            together = float(np.mean(step[:, 0] * step[:, 1] > 0))
            detour = np.linalg.norm(step, axis=1).sum() / np.linalg.norm(way[-1])
            of_right = model.predict_proba(X)[np.arange(len(y)), y]
            loss = -np.log(of_right).mean()
            rows.append((f"from {where}, batches of {batch}", f"{100 * together:.0f}", f"{detour:.2f}", f"{loss:.3f}"))
            shade, width = (colour, 1.0) if batch == 1 else (BLACK, 2.0)
            each.plot(*way.T, color=shade, linewidth=width, label=f"batches of {batch}")
        each.plot(0, 0, "o", color=BLACK)
        each.set(xlabel="first weight", ylabel="second weight", aspect="equal")
        each.set_title(f"inputs from {where}, {steps} steps from (0, 0)")
        each.legend(loc="upper right")
    columns = ("inputs", "steps in which both move alike, %", "way over distance", "loss at the end")
    return Drawing(figure, columns, tuple(rows))
