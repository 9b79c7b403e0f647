"""How v4_targets.npz and v4_targets.json were made; a later release writes other bytes, and must still read these.

python tests/core/golden/v4_targets.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

from layerwise import MLP, Architecture, Layer, Plan, fit

rng = np.random.default_rng(4)
X = rng.normal(size=(80, 3)).round(3)
y = np.stack([70_000 + 27_000 * X[:, 0], 1e-3 * X[:, 1] * X[:, 2] - 5], axis=1)
model = MLP(Architecture(3, (Layer(5, "relu"), Layer(2))), seed=4)
for _ in fit(model, X, y, plan=Plan(loss="squared_error", epochs=30, validation=0.2, keep_optimizer=True)):
    pass
model.lineage = {"dataset": "sha256:4"}

folder = Path(sys.argv[1])
recorded = {
    "sha256": model.save(folder / "v4_targets.npz"),
    "rows": X[:5].tolist(),
    "outputs": model.outputs(X[:5]).tolist(),
    "predictions": model.predict(X[:5]).tolist(),
    "target_scale": model.target_scale.to_json(),
}
(folder / "v4_targets.json").write_text(json.dumps(recorded))
