"""One epoch of training by Layerwise, by each peer, and by the matrix products alone."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from benchmarks.networks import LEARNING_RATE, Network
from layerwise import MLP, Adam, Architecture, Layer, Plan, fit

Epoch = Callable[[], object]


def layerwise_model(widths: tuple[int, ...], seed: int = 0, dropout: float = 0.0, input_dropout: float = 0.0) -> MLP:
    """A ReLU network of `widths`, with `dropout` in each hidden layer."""
    hidden = (Layer(units, "relu", dropout) for units in widths[1:-1])
    return MLP(Architecture(widths[0], (*hidden, Layer(widths[-1])), input_dropout=input_dropout), seed=seed)


def layerwise(network: Network) -> Epoch:
    """The public fit(), record and shuffle of every epoch included."""
    X, y = network.data()
    plan = Plan(optimizer=Adam(LEARNING_RATE), batch_size=network.batch, epochs=10**9)
    training = fit(layerwise_model(network.widths), X, y, plan=plan)
    return lambda: next(training)


def pytorch(network: Network, **adam: bool) -> Epoch:
    """The usual eager loop over a shuffled tensor, without loss or accuracy taken down."""
    X, y = (torch.from_numpy(array) for array in network.data())
    model = torch_model(network.widths)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, **adam)

    def epoch() -> None:
        for rows in torch.randperm(len(X)).split(network.batch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()

    return epoch


def torch_model(widths: tuple[int, ...]) -> torch.nn.Sequential:
    """A ReLU network of `widths`."""
    layers: list[torch.nn.Module] = []
    for inputs, units in pairwise(widths):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def scikit_learn(network: Network) -> Epoch:
    """partial_fit over all rows, which is one shuffled epoch in batches. Two classes are one output there."""
    X, y = network.data()
    model = MLPClassifier(
        network.widths[1:-1], alpha=0.0, batch_size=network.batch, learning_rate_init=LEARNING_RATE, random_state=0
    )
    model.partial_fit(X, y, classes=np.arange(network.widths[-1]))
    return lambda: model.partial_fit(X, y)


def products(network: Network) -> Epoch:
    """Nothing but the matrix products of the steps, by NumPy's BLAS into arrays made before: the limit.

    x W forward; xᵀ δ and, but for the first layer, δ Wᵀ backward.
    """
    rng = np.random.default_rng(0)

    def random(rows: int, columns: int) -> NDArray[np.float32]:
        return rng.normal(size=(rows, columns)).astype(np.float32)

    weights = [random(inputs, units) for inputs, units in pairwise(network.widths)]
    gradients = [np.empty_like(weight) for weight in weights]
    values = [random(network.batch, units) for units in network.widths]
    deltas = [random(network.batch, units) for units in network.widths]
    outs = [np.empty_like(value) for value in values]
    steps = network.rows // network.batch

    def epoch() -> None:
        for _ in range(steps):
            for i, weight in enumerate(weights):
                np.matmul(values[i], weight, out=outs[i + 1])
            for i in range(len(weights) - 1, -1, -1):
                np.matmul(values[i].T, deltas[i + 1], out=gradients[i])
                if i:
                    np.matmul(deltas[i + 1], weights[i].T, out=outs[i])

    return epoch


PEERS: dict[str, Callable[[Network], Epoch]] = {
    "layerwise": layerwise,
    "torch_fused": lambda network: pytorch(network, fused=True),
    "torch": pytorch,
    "scikit_learn": scikit_learn,
    "products": products,
}
