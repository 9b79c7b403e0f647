"""Predicting: `MLP.predict_proba` beside onnxruntime, rows of a request's size, two threads each.

python -m benchmarks.inference
"""

import statistics
from collections.abc import Callable
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.measure import THREADS, limit_threads, ratio, timed
from benchmarks.peers import layerwise_model
from layerwise import MLP, Plan, kernels_in_use
from layerwise.network.parameters import views

NETWORKS = ((30, 64, 64, 2), (784, 512, 512, 10))
ROWS = (1, 16, 256)
ROUNDS = 9


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


def predictor(peer: str, model: MLP) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What predicts by the code of `peer`."""
    return model.predict_proba if peer == "ours" else session(model)


def serve(peer: str, pipe: Connection) -> None:
    """Measures what it is asked for: (widths, rows) in, the median of the seconds of many calls out."""
    limit_threads()
    while (asked := pipe.recv()) is not None:
        widths, rows = asked
        predict = predictor(peer, trained(widths))
        X = np.random.default_rng(0).normal(size=(rows, widths[0])).astype(np.float32)
        for _ in range(20):
            predict(X)
        pipe.send(statistics.median(timed(lambda: predict(X)) for _ in range(max(50, 2000 // rows))))  # noqa: B023


def main() -> None:
    """Each peer in a process of its own, for the threads of the one would disturb the other; they take turns."""
    pipes: dict[str, Connection] = {}
    for peer in ("ours", "onnx"):
        pipes[peer], far = Pipe()
        get_context("spawn").Process(target=serve, args=(peer, far), daemon=True).start()
    print(f"Layerwise predicts by {kernels_in_use()}.\n")
    print("| network          | rows | ours, µs | onnxruntime, µs | onnxruntime / ours |")
    print("|------------------|-----:|---------:|----------------:|-------------------:|")
    for widths in NETWORKS:
        model = trained(widths)
        X = np.random.default_rng(0).normal(size=(16, widths[0])).astype(np.float32)
        np.testing.assert_allclose(model.predict_proba(X), session(model)(X), rtol=1e-4, atol=1e-6)
        for rows in ROWS:
            seconds: dict[str, list[float]] = {peer: [] for peer in pipes}
            for _ in range(ROUNDS):
                for peer, pipe in pipes.items():
                    pipe.send((widths, rows))
                    seconds[peer].append(pipe.recv())
            ours, theirs = (statistics.median(seconds[peer]) * 1e6 for peer in ("ours", "onnx"))
            name = "-".join(map(str, widths))
            found = ratio(seconds, "onnx", "ours")
            print(f"| {name:16} | {rows:4} | {ours:8.1f} | {theirs:15.1f} | {found:18.2f} |", flush=True)
    for pipe in pipes.values():
        pipe.send(None)


if __name__ == "__main__":
    main()
