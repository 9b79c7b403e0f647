"""Whole trainings on MNIST: the time of fit() beside scikit-learn's, and a plan for an accuracy above 98.3 %.

    LAYERWISE_MNIST=FOLDER python -m benchmarks.mnist [time|accuracy]

FOLDER holds the four files of http://yann.lecun.com/exdb/mnist (train-images-idx3-ubyte …, gzipped or not), or one
mnist.npz with x_train, y_train, x_test and y_test, such as Keras has it.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.measure import limit_threads
from benchmarks.mnist_files import Labels, Table, mnist
from benchmarks.peers import layerwise_model
from layerwise import Adam, Plan, fit

WIDTHS = (784, 512, 512, 10)
BATCH, EPOCHS = 128, 10


def compare_times(X: Table, y: Labels, rounds: int) -> None:
    """The same plan in both, one after the other, `rounds` times."""
    ratios: list[float] = []
    for _ in range(rounds):
        plan = Plan(optimizer=Adam(1e-3), batch_size=BATCH, epochs=EPOCHS, l2=1e-4 / BATCH)
        start = time.perf_counter()
        list(fit(layerwise_model(WIDTHS), X, y, plan=plan))
        ours = time.perf_counter() - start
        # tol: as many epochs as ours, whatever the loss does; alpha is divided by the rows of a batch there
        peer = MLPClassifier(
            WIDTHS[1:-1], alpha=1e-4, batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0, random_state=0
        )
        start = time.perf_counter()
        peer.fit(X, y)
        theirs = time.perf_counter() - start
        ratios.append(theirs / ours)
        print(
            f"ours {ours:6.1f} s   scikit-learn {theirs:6.1f} s   scikit-learn / ours {theirs / ours:.2f}", flush=True
        )
    print(f"median of {rounds}: {statistics.median(ratios):.2f}")


def accuracy(X: Table, y: Labels, X_test: Table, y_test: Labels, seed: int) -> None:
    """The plan of docs/performance.md."""
    model = layerwise_model(WIDTHS, seed=seed, dropout=0.3, input_dropout=0.1)
    plan = Plan(optimizer=Adam(2e-3), schedule="one_cycle", batch_size=BATCH, epochs=20, seed=seed)
    for record in fit(model, X, y, plan=plan):
        print(f"epoch {record.epoch:2}  loss {record.loss:.4f}  training accuracy {record.metric:.4f}", flush=True)
    print(f"seed {seed}: {np.mean(model.predict(X_test) == y_test):.2%} of the test rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("time", "accuracy"), default="time")
    parser.add_argument("--data", type=Path, default=os.environ.get("LAYERWISE_MNIST"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.data is None:
        parser.error("say where MNIST is: --data FOLDER, or LAYERWISE_MNIST")
    limit_threads()
    X, y, X_test, y_test = mnist(options.data)
    if options.what == "time":
        compare_times(X, y, options.rounds)
    else:
        accuracy(X, y, X_test, y_test, options.seed)


if __name__ == "__main__":
    main()
