"""Models that a Triton serves while its answers are recorded, like those that Layerwise serves in the comparison.

`python -m helpers.triton.served FOLDER` writes a model repository:
`bench`, a classifier of rows of 30 numbers, `values`, a regression on 3 numbers, and `table`, a classifier of a table.
"""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = """
import numpy as np
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        self.model = args["model_name"]

    def execute(self, requests):
        return [triton.InferenceResponse(self.outputs(request)) for request in requests]

    def outputs(self, request):
        wanted = request.requested_output_names()
        first = request.inputs()[0].as_numpy()
        if self.model == "values":
            answers = {"output": first.sum(axis=1, keepdims=True)}
        else:
            score = first.sum(axis=1) / 100 if self.model == "bench" else np.zeros(len(first), np.float32)
            logits = np.stack([score, -score], axis=1)
            powers = np.exp(logits)
            names = np.array([b"no", b"yes"], object)
            answers = {
                "probabilities": powers / powers.sum(axis=1, keepdims=True),
                "label": names[logits.argmax(axis=1)].reshape(-1, 1),
                "logits": logits,
            }
        return [triton.Tensor(name, value) for name, value in answers.items() if name in wanted]
"""
CLASSES = """
output [
  {name: "probabilities", data_type: TYPE_FP32, dims: [2], label_filename: "labels.txt"},
  {name: "label", data_type: TYPE_STRING, dims: [1]},
  {name: "logits", data_type: TYPE_FP32, dims: [2]}
]
"""
CONFIGURATIONS = {
    "bench": 'input [{name: "input", data_type: TYPE_FP32, dims: [30]}]' + CLASSES,
    "values": """
input [{name: "input", data_type: TYPE_FP32, dims: [3]}]
output [{name: "output", data_type: TYPE_FP32, dims: [1]}]
""",
    "table": """
input [
  {name: "size", data_type: TYPE_FP64, dims: [1]},
  {name: "colour", data_type: TYPE_STRING, dims: [1]},
  {name: "fresh", data_type: TYPE_BOOL, dims: [1]}
]
"""
    + CLASSES,
}
SHARED = """
name: "{name}"
backend: "python"
max_batch_size: 1024
instance_group [{{kind: KIND_CPU, count: 1}}]
"""


def write(folder: Path) -> None:
    for name, configuration in CONFIGURATIONS.items():
        (folder / name / "1").mkdir(parents=True, exist_ok=True)
        (folder / name / "1" / "model.py").write_text(PROGRAM)
        (folder / name / "config.pbtxt").write_text(SHARED.format(name=name) + configuration)
        (folder / name / "labels.txt").write_text("no\nyes\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
