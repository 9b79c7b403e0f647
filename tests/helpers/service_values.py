"""Values that tests of the service share."""

from __future__ import annotations

import numpy as np

from layerwise.training.records import EpochRecord
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.jobs import NewJob
from layerwise_service.stores.leases import NewVersion

ROWS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=np.float32)
LIMITS = {
    "max_features": 10,
    "max_outputs": 10,
    "max_label_bytes": 100,
    "max_columns": 10,
    "max_text_bytes": 100,
    "max_bytes": 1_000_000,
}
RECORD = EpochRecord(
    step=2,
    epoch=1,
    loss=0.5,
    metric=0.75,
    validation_loss=None,
    validation_metric=None,
    learning_rate=0.001,
    rows_per_second=1000.0,
    seconds_left=1.0,
)
VERSION = NewVersion("0" * 64, 1000, {"loss": 0.5}, 22, ("no", "yes"))


def new_job(dataset: Dataset) -> NewJob:
    architecture = {"inputs": 2, "layers": [{"units": 2}]}
    return NewJob("xor", architecture, {"loss": "softmax_cross_entropy"}, dataset.sha256, "accuracy", fingerprint="f")
