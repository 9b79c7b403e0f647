"""Training under the lens, on handwritten digits: ReLU beside tanh, units that die, and dropout."""

from __future__ import annotations

import numpy as np
from examples.notes.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Drawing, panels

from layerwise import MLP, SGD, Architecture, Diverged, Layer, Plan, fit, fit_packed
from layerwise_client import datasets

GOAL = 0.05
"""The training loss to reach."""
STYLES = {"sigmoid": (PURPLE, ":"), "tanh": (ORANGE, "--"), "relu": (BLUE, "-")}


def relu_tanh(*, quick: bool = False) -> Drawing:
    """The training loss over the epochs for one rate, and for the best rate of each activation."""
    X, y = datasets.load("digits")
    rates = (0.05, 0.2) if quick else (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
    seeds, epochs = (1, 15) if quick else (3, 40)
    figure, (same, best) = panels(2, "ReLU is ahead of tanh at one small rate, and level with it at the best of each")
    rows = []
    for name, (colour, style) in STYLES.items():
        layers = (Layer(64, name),) * 3 + (Layer(10),)
        architecture = Architecture(64, layers, input_scale=1 / 8, input_shift=-1)
        models = [MLP(architecture, seed=seed) for seed in range(seeds) for _ in rates]
        plans = [
            Plan(optimizer=SGD(rate), seed=seed, epochs=epochs, batch_size=32)
            for seed in range(seeds)
            for rate in rates
        ]
        losses = [record.loss for record in fit_packed(models, X, y, plans=plans)]
        loss = np.array(losses).reshape(epochs, seeds, len(rates))
        needed = np.median(reached(loss), axis=0)
        chosen = int(np.argmin(needed))
        for axes, i, label in ((same, 0, name), (best, chosen, f"{name}, rate {rates[chosen]}")):
            axes.semilogy(range(1, epochs + 1), np.median(loss[:, :, i], axis=1), style, color=colour, label=label)
        rows.append((name, in_words(needed[0], epochs), str(rates[chosen]), in_words(needed[chosen], epochs)))
    for axes, title in ((same, f"all at the rate {rates[0]}"), (best, "each at its best rate")):
        axes.axhline(GOAL, color=GREY, linewidth=1)
        axes.set(xlabel="epoch", ylabel="training loss", ylim=(1e-4, 4), xlim=(0, epochs))
        axes.set_title(title)
        axes.legend(loc="upper right" if axes is best else "lower right")
    columns = ("activation", f"epochs at the rate {rates[0]}", "best rate", "epochs at the best rate")
    return Drawing(figure, columns, tuple(rows))


def reached(loss: np.ndarray) -> np.ndarray:
    """The epoch, counted from 1, at which each column of `loss` (epochs, …) first is below GOAL, infinity if never."""
    below = loss < GOAL
    return np.where(below.any(axis=0), below.argmax(axis=0) + 1.0, np.inf)


def in_words(epoch: float, most: int) -> str:
    return f"{epoch:g}" if np.isfinite(epoch) else f"over {most}"


def dead_units(*, quick: bool = False) -> Drawing:
    """The share of ReLU units that no row wakes, by learning rate, and the accuracy beside that of leaky ReLU."""
    X, y = datasets.load("digits")
    rates = (0.1, 2.0) if quick else (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5)
    seeds = 1 if quick else 5
    rows = []
    for rate in rates:
        found = np.array([examined(X, y, rate=rate, seed=seed, epochs=11) for seed in range(seeds)]).mean(axis=0)
        rows.append((f"{rate:g}", *(f"{100 * value:.1f}" for value in found)))
    table = np.array(rows, float)
    figure, (left, right) = panels(2, "Above some learning rate ReLU units die, and take the network with them")
    for column, name, colour, style in ((1, "first layer", BLUE, "o-"), (2, "second layer", GREEN, "s--")):
        left.semilogx(table[:, 0], table[:, column], style, color=colour, label=name)
    for column, name, colour, style in ((3, "relu", BLUE, "o-"), (4, "leaky_relu", ORANGE, "^--")):
        right.semilogx(table[:, 0], table[:, column], style, color=colour, label=name)
    for axes, title in ((left, "dead ReLU units, %"), (right, "right of the training rows, %")):
        axes.set(xlabel="learning rate of SGD", ylim=(-3, 103))
        axes.set_xticks(table[:, 0], [row[0] for row in rows])
        axes.minorticks_off()
        axes.set_title(title)
        axes.legend()
    columns = ("learning rate", "dead in layer 1, %", "dead in layer 2, %", "accuracy, %", "accuracy of leaky ReLU, %")
    return Drawing(figure, columns, tuple(rows))


def examined(X: np.ndarray, y: np.ndarray, *, rate: float, seed: int, epochs: int) -> list[float]:
    """The dead shares of both hidden layers at the doctor's last look; the last accuracies of ReLU and leaky ReLU."""
    dead: list[float] = []
    accuracies: list[float] = []
    for activation in ("relu", "leaky_relu"):
        layers = (Layer(64, activation), Layer(64, activation), Layer(10))
        model = MLP(Architecture(64, layers, input_scale=1 / 16), seed=seed)
        accuracy = 0.0
        try:
            for record in fit(model, X, y, plan=Plan(optimizer=SGD(rate), epochs=epochs, seed=seed, batch_size=32)):
                accuracy = record.metric
                if record.layers and activation == "relu":
                    dead = [float(layer.dead or 0) for layer in record.layers[:2]]
        except Diverged:
            accuracy = 0.1  # what guessing one of ten digits gives
        accuracies.append(accuracy)
    return [*dead, *accuracies]


def dropout(*, quick: bool = False) -> Drawing:
    """Accuracy on rows held out while a network too large for its 300 rows trains, with dropout and with L2."""
    X, truth = datasets.load("digits")
    rng = np.random.default_rng(0)
    told = truth.copy()
    wrong = np.flatnonzero(rng.random(300) < 0.2)
    told[wrong] = (told[wrong] + rng.integers(1, 10, len(wrong))) % 10
    epochs, seeds, end = (50, 1, 400) if quick else (120, 5, len(X))
    figure, axes = panels(2, "Dropout and L2 keep a network from learning wrong labels by heart")
    rows = []
    for rate, l2, colour, style in ((0.0, 0.0, ORANGE, "-"), (0.5, 0.0, BLUE, "--"), (0.0, 0.01, GREEN, ":")):
        name = f"dropout {rate:g}" if rate else f"l2 = {l2:g}" if l2 else "neither"
        cells = [name]
        for each, y in zip(axes, (told, truth), strict=True):
            architecture = Architecture(64, (Layer(100, "relu", dropout=rate), Layer(10)), input_scale=1 / 16)
            models = [MLP(architecture, seed=seed) for seed in range(seeds)]
            plans = [Plan(epochs=epochs, seed=seed, l2=l2, batch_size=32) for seed in range(seeds)]
            held_out = X[300:end], truth[300:end]
            records = [*fit_packed(models, X[:300], y[:300], plans=plans, validation=held_out)]
            accuracy = [100 * float(np.mean(record.validation_metric)) for record in records]
            each.plot(range(1, epochs + 1), accuracy, style, color=colour, label=name)
            cells += [f"{100 * records[-1].metric.mean():.1f}", f"{accuracy[-1]:.1f}"]
        rows.append(tuple(cells))
    for each, title in zip(axes, ("every fifth training label is wrong", "all labels are right"), strict=True):
        each.set(xlabel="epoch", ylabel="right of the digits held out, %", ylim=(60, 92))
        each.set_title(title)
        each.legend(loc="lower right")
    names = ("training rows", "held out")
    columns = ("", *(f"{name}, %, {labels}" for labels in ("wrong labels", "right labels") for name in names))
    return Drawing(figure, columns, tuple(rows))
