"""What chance does: the final losses of small and large networks, and the accuracy of shallow and deep ones."""

from __future__ import annotations

import numpy as np
from examples.notes.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, Drawing, panels

from layerwise import MLP, Adam, Architecture, Layer, Plan, fit_packed
from layerwise_client import datasets


def final_losses(*, quick: bool = False) -> Drawing:
    """The training losses that networks of several sizes end with, from many initial weights each."""
    X, y = datasets.load("spiral", rows=150, seed=0)
    seeds, epochs, sizes = (12, 500, (3, 20)) if quick else (50, 1000, (3, 6, 20, 100))
    figure, (axes,) = panels(1, "From 50 starts each: small networks end anywhere, large ones all end alike")
    rows = []
    for place, (units, colour) in enumerate(zip(sizes, (ORANGE, PURPLE, BLUE, GREEN), strict=False)):
        models = [MLP(Architecture(2, (Layer(units, "tanh"), Layer(3))), seed=seed) for seed in range(seeds)]
        plan = Plan(optimizer=Adam(0.02), l2=1e-4, batch_size=len(X), epochs=epochs)
        *_, record = fit_packed(models, X, y, plans=plan)
        loss = np.sort(record.loss)
        beside = np.random.default_rng(0).uniform(-0.28, 0.28, seeds)
        axes.plot(place + beside, loss, "o", color=colour, markersize=5, markeredgecolor="white", mew=0.5)
        axes.hlines(np.median(loss), place - 0.36, place + 0.36, color=BLACK, linewidth=1.5)
        rows.append((str(units), *(f"{value:.3f}" for value in (loss[0], np.median(loss), loss[-1], loss.std()))))
    axes.set_xticks(range(len(sizes)), [f"{units} hidden units" for units in sizes])
    axes.set(ylabel="final training loss", ylim=(0, None))
    axes.set_title("each point is one start, each line the median", color=BLACK)
    return Drawing(figure, ("hidden units", "lowest loss", "median", "highest", "standard deviation"), tuple(rows))


def depth(*, quick: bool = False) -> Drawing:
    """The accuracy on digits held out, of networks with no to eight hidden layers of 32 units."""
    X, y = datasets.load("digits")
    rows_trained, seeds, epochs = (300, 2, 15) if quick else (600, 10, 60)
    depths = (0, 2) if quick else (0, 1, 2, 3, 4, 6, 8)
    means, spreads, losses = [], [], []
    for hidden in depths:
        layers = (Layer(32, "relu"),) * hidden + (Layer(10),)
        models = [MLP(Architecture(64, layers, input_scale=1 / 16), seed=seed) for seed in range(seeds)]
        plans = [Plan(l2=1e-4, epochs=epochs, seed=seed, batch_size=32) for seed in range(seeds)]
        held_out = X[rows_trained:], y[rows_trained:]
        *_, record = fit_packed(models, X[:rows_trained], y[:rows_trained], plans=plans, validation=held_out)
        assert record.validation_metric is not None
        means.append(100 * record.validation_metric.mean())
        spreads.append(100 * record.validation_metric.std())
        losses.append(record.loss.mean())
    figure, (axes,) = panels(1, "A second hidden layer helps a little; many more do harm")
    axes.errorbar(depths, means, yerr=spreads, fmt="o-", color=BLUE, capsize=4)
    axes.set(xlabel="hidden layers of 32 ReLU units", ylabel="right of the digits held out, %", xticks=depths)
    axes.set_title(f"means of {seeds} starts, the bars are standard deviations")
    found = zip(depths, means, spreads, losses, strict=True)
    rows = tuple((str(hidden), f"{mean:.1f}", f"{spread:.1f}", f"{loss:.3f}") for hidden, mean, spread, loss in found)
    return Drawing(figure, ("hidden layers", "right of held out, %", "standard deviation", "training loss"), rows)
