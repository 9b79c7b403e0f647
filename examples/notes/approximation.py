"""One hidden layer as an approximator of a function of one number: the wider, the closer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from examples.notes.drawing import BLUE, GREEN, GREY, ORANGE, Drawing, panels

from layerwise import MLP, Adam, Architecture, CosineDecay, Layer, Plan, fit_packed


def wave(x: np.ndarray) -> np.ndarray:
    """The function to approximate on [-1, 1]."""
    return np.asarray(np.sin(3 * np.pi * x) + 0.6 * np.cos(8 * x))


def spread(units: int, activation: str, seed: int) -> MLP:
    """A network 1-`units`-1 whose units bend at places spread over [-1, 1].

    All biases being zero, as they start by default, every unit would bend at 0.
    """
    rng = np.random.default_rng(seed)
    slope = rng.choice([-6.0, 6.0], (1, units))
    bend = rng.uniform(-1, 1, units)
    weights = {"layer0/weight": slope, "layer0/bias": -slope[0] * bend}
    return MLP(Architecture(1, (Layer(units, activation), Layer(1))), seed=seed, weights=weights)


def fitted(models: list[MLP], *, epochs: int) -> tuple[MLP, float]:
    """The network that ends closest to the wave on 200 points, and the root of its mean squared error there."""
    x = np.linspace(-1, 1, 200)
    plan = Plan(
        loss="squared_error",
        optimizer=Adam(0.02),
        schedule=CosineDecay(),
        batch_size=200,
        epochs=epochs,
        standardize_targets=False,  # the wave is of size one already
    )
    *_, record = fit_packed(models, x[:, None], wave(x), plans=plan)
    best = int(np.argmin(record.loss))
    return models[best], float(np.sqrt(np.mean((models[best].predict(x[:, None]) - wave(x)) ** 2)))


def approximation(*, quick: bool = False) -> Drawing:
    """The wave and networks of one hidden layer, and their errors by width."""
    widths = (2, 32) if quick else (1, 2, 4, 8, 16, 32, 64)
    epochs, starts = (500, 2) if quick else (2000, 8)
    figure, (left, right) = panels(2, "One hidden layer comes as close as you like, if it is wide enough")
    x = np.linspace(-1, 1, 201)
    left.plot(x, wave(x), color=GREY, linewidth=5, alpha=0.5, label="the function")
    errors: dict[str, list[float]] = {}
    makers: dict[str, Callable[[int, int], MLP]] = {
        "tanh": lambda units, seed: spread(units, "tanh", seed),
        "relu": lambda units, seed: spread(units, "relu", seed),
        "relu, biases from 0": lambda units, seed: MLP(Architecture(1, (Layer(units, "relu"), Layer(1))), seed=seed),
    }
    for name, make in makers.items():
        errors[name] = []
        for units in widths:
            model, error = fitted([make(units, seed) for seed in range(starts)], epochs=epochs)
            errors[name].append(error)
            if name == "tanh" and units in (2, 4, 16):
                colour, style = {2: (ORANGE, ":"), 4: (GREEN, "--"), 16: (BLUE, "-")}[units]
                left.plot(x, model.predict(x[:, None]), color=colour, linestyle=style, label=f"{units} tanh units")
    left.set(xlabel="x", ylabel="f(x)", ylim=(-1.8, 2.9), xticks=(-1, -0.5, 0, 0.5, 1))
    left.legend(loc="upper center", ncols=2)
    left.set_title("the function, and three networks")
    styles = ((BLUE, "o-"), (ORANGE, "s--"), (GREY, "^:"))
    for (name, values), (colour, style) in zip(errors.items(), styles, strict=True):
        right.loglog(widths, values, style, color=colour, label=name)
    right.set_xticks(widths, [str(width) for width in widths])
    right.minorticks_off()
    right.set(xlabel="hidden units", ylabel="root mean squared error")
    right.set_title(f"the best of {starts} starts of each")
    right.legend()
    rows = tuple((str(units), *(f"{errors[name][i]:.3f}" for name in errors)) for i, units in enumerate(widths))
    return Drawing(figure, ("hidden units", *(f"error, {name}" for name in errors)), rows)
