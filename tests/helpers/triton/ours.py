"""Our models like those that the recorded Triton served: `bench`, `values` and `table` of `helpers.triton.served`."""

from __future__ import annotations

import numpy as np

from helpers.published import publish, publish_classifier
from layerwise import MLP, Architecture, Layer, Plan, TableEncoder, fit
from layerwise_service.settings import Settings

CLASSES = Plan(loss="softmax_cross_entropy", epochs=1)
TABLE = {
    "size": [1.5, 2.25, 3.0, 4.0],
    "colour": ["red", "green", "red", "green"],
    "fresh": ["true", "false", "false", "true"],
}


def publish_all(settings: Settings) -> None:
    bench = MLP(Architecture(30, (Layer(64, "relu"), Layer(64, "relu"), Layer(2))), seed=0)
    _fit(bench, np.zeros((4, 30), np.float32), np.arange(4) % 2, CLASSES)
    bench.labels = ("no", "yes")
    publish(settings, "bench", bench, CLASSES, labels=("no", "yes"))

    values = MLP(Architecture(3, (Layer(1),)), seed=0)
    plan = Plan(loss="squared_error", epochs=1, standardize_targets=False)
    _fit(values, np.zeros((4, 3), np.float32), np.zeros(4, np.float32), plan)
    publish(settings, "values", values, plan, labels=None)

    encoder = TableEncoder({"colour": "one_hot"}).fit(TABLE)
    table = MLP(Architecture(encoder.width, (Layer(4, "relu"), Layer(2))), seed=0)
    table.encoder = encoder
    _fit(table, TABLE, ["no", "yes", "yes", "no"], Plan(epochs=1))
    publish_classifier(settings, "table", table, Plan(epochs=1))


def _fit(network: MLP, rows: object, targets: object, plan: Plan) -> None:
    for _ in fit(network, rows, targets, plan=plan):
        pass
