"""Predicting: `MLP.predict_proba` beside onnxruntime, rows of a request's size, two threads each.

python -m benchmarks.inference
"""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.measure import THREADS, limit_threads, ratio, side_by_side
from benchmarks.peers import layerwise_model
from layerwise import MLP, Plan
from layerwise.layout import views

NETWORKS = ((30, 64, 64, 2), (784, 512, 512, 10))
ROWS = (1, 16, 256)


def onnx_model(model: MLP) -> onnx.ModelProto:
    """The ReLU network `model` and a softmax, as an ONNX graph of Gemm, Relu and Softmax."""
    architecture = model.architecture
    nodes: list[onnx.NodeProto] = []
    numbers: list[onnx.TensorProto] = []
    last = len(architecture.layers) - 1
    for i, own in enumerate(views(architecture, model.parameters)):
        numbers += [numpy_helper.from_array(own.weight, f"w{i}"), numpy_helper.from_array(own.bias, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [f"a{i}", f"w{i}", f"b{i}"], [f"z{i}"]))
        if i < last:
            nodes.append(helper.make_node("Relu", [f"z{i}"], [f"a{i + 1}"]))
    nodes.append(helper.make_node("Softmax", [f"z{last}"], ["p"], axis=1))
    x = helper.make_tensor_value_info("a0", TensorProto.FLOAT, ["rows", architecture.inputs])
    p = helper.make_tensor_value_info("p", TensorProto.FLOAT, ["rows", architecture.outputs])
    graph = helper.make_graph(nodes, "mlp", [x], [p], numbers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def session(model: MLP) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What predicts like `model` by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    made = onnxruntime.InferenceSession(
        onnx_model(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda X: made.run(None, {"a0": X})[0]


def trained(widths: tuple[int, ...]) -> MLP:
    """A network as training would leave it, whose outputs are probabilities of classes."""
    model = layerwise_model(widths)
    model.plan, model.labels = Plan(), range(widths[-1])
    return model


def main() -> None:
    limit_threads()
    print("| network          | rows | ours, µs | onnxruntime, µs | onnxruntime / ours |")
    print("|------------------|-----:|---------:|----------------:|-------------------:|")
    for widths in NETWORKS:
        model = trained(widths)
        theirs = session(model)
        for rows in ROWS:
            X = np.random.default_rng(0).normal(size=(rows, widths[0])).astype(np.float32)
            np.testing.assert_allclose(model.predict_proba(X), theirs(X), rtol=1e-4, atol=1e-6)
            runs: dict[str, Callable[[], object]] = {
                "ours": lambda model=model, X=X: model.predict_proba(X),
                "onnx": lambda theirs=theirs, X=X: theirs(X),
            }
            seconds = side_by_side(runs, rounds=9, at_least=0.05)
            ours, onnx_time = (np.median(seconds[name]) * 1e6 for name in ("ours", "onnx"))
            name = "-".join(map(str, widths))
            print(
                f"| {name:16} | {rows:4} | {ours:8.1f} | {onnx_time:15.1f} | {ratio(seconds, 'onnx', 'ours'):18.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
