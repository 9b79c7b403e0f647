"""Models of every kind, for clients of other servers."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.published import publish
from helpers.service_values import ROWS
from layerwise import MLP, Architecture, Layer, Plan, TableEncoder, fit
from layerwise_service.settings import Settings
from layerwise_service.wiring import open_stores

WEATHER: dict[str, list[Any]] = {
    "wind": [1, 2.5, None, 4],
    "sky": ["clear", "grey", "clear", "grey"],
    "day": ["2024-05-01", "2024-05-02", "", "2024-05-04"],
}
COLUMNS = list(WEATHER)
WEATHER_ROWS: list[dict[str, Any]] = [
    {"wind": 2, "sky": "clear", "day": "2024-05-03"},
    {"wind": None, "sky": "grey", "day": "2024-05-01"},
]
ROW_LIST = [[0.0, 1.0], [1.0, 0.25]]
MODELS: dict[str, tuple[int, tuple[Any, ...] | int, str]] = {
    # inputs, classes or number of values, loss
    "digits": (2, (3, 5, 7), "softmax_cross_entropy"),
    "flags": (2, (False, True), "softmax_cross_entropy"),
    "hinge": (2, (0, 1, 2), "hinge"),
    "value": (2, 1, "squared_error"),
    "values": (2, 2, "squared_error"),
    "half": (1, 1, "squared_error"),
}
"""Models of rows of numbers, by name. Besides, `weather` is a classifier of tables; `digits` has two versions."""


def publish_models(settings: Settings, *, only: tuple[str, ...] = ("weather", "digits", *MODELS)) -> None:
    """Publish the models `only`, by name; the alias `stable` is the first version of digits."""
    for seed, name in enumerate(only):
        if name == "weather":
            _publish_table(settings, name)
        else:
            _publish(settings, name, seed)
    if "digits" in only:
        stores = open_stores(settings)
        stores.aliases.set("digits", "stable", 1)
        stores.close()


def _publish(settings: Settings, name: str, seed: int) -> None:
    inputs, outputs, loss = MODELS[name]
    classes = outputs if isinstance(outputs, tuple) else None
    width = len(outputs) if isinstance(outputs, tuple) else outputs
    network = MLP(Architecture(inputs, (Layer(4, "relu"), Layer(width))), seed=seed)
    plan = Plan(loss=loss, epochs=1, batch_size=2, standardize_targets=False)
    y = np.zeros((4, width), np.float32) if classes is None else np.arange(4) % width
    for _ in fit(network, ROWS[:, :inputs], y, plan=plan):
        pass
    network.labels = classes
    publish(settings, name, network, plan, labels=classes)


def _publish_table(settings: Settings, name: str) -> None:
    encoder = TableEncoder().fit(WEATHER)
    network = MLP(Architecture(encoder.width, (Layer(4, "relu"), Layer(2))))
    network.encoder = encoder
    plan = Plan(epochs=2)
    for _ in fit(network, WEATHER, ["no", "yes", "yes", "no"], plan=plan):
        pass
    publish(settings, name, network, plan, labels=("no", "yes"))
