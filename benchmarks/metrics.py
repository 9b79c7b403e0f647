"""Metrics of a million rows beside scikit-learn's: the time, and how many times as long scikit-learn takes.

python -m benchmarks.metrics
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np
import sklearn.metrics as sk

from benchmarks.measure import limit_threads, ratio, side_by_side
from layerwise import metrics

CLASSES = 10


def pairs(rows: int) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """The same metric of the same rows, ours and scikit-learn's."""
    rng = np.random.default_rng(0)
    two, score = rng.integers(0, 2, rows), rng.random(rows)
    y, said = (rng.integers(0, CLASSES, rows) for _ in range(2))
    names = np.array([f"label {j}" for j in range(CLASSES)])
    named, called = names[y], names[said]
    p = rng.dirichlet(np.ones(CLASSES), rows)
    return {
        "ROC AUC": (lambda: metrics.roc_auc(two, score), lambda: sk.roc_auc_score(two, score)),
        "ROC AUC, ten labels": (lambda: metrics.roc_auc(y, p), lambda: sk.roc_auc_score(y, p, multi_class="ovr")),
        "average precision": (
            lambda: metrics.average_precision(two, score),
            lambda: sk.average_precision_score(two, score),
        ),
        "confusion matrix": (lambda: metrics.confusion_matrix(y, said), lambda: sk.confusion_matrix(y, said)),
        "confusion matrix, strings": (
            lambda: metrics.confusion_matrix(named, called),
            lambda: sk.confusion_matrix(named, called),
        ),
        "macro F1": (lambda: metrics.f1(y, said), lambda: sk.f1_score(y, said, average="macro")),
        "log loss": (lambda: metrics.log_loss(y, p), lambda: sk.log_loss(y, p)),
        "R²": (lambda: metrics.r2(score, p[:, 0]), lambda: sk.r2_score(score, p[:, 0])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    limit_threads()
    print(f"| {'metric':26} | ms | scikit-learn / Layerwise |")
    print(f"|{'-' * 28}|---:|-------------------------:|", flush=True)
    for name, (ours, theirs) in pairs(arguments.rows).items():
        seconds = side_by_side({"ours": ours, "theirs": theirs}, rounds=arguments.rounds)
        took = statistics.median(seconds["ours"]) * 1e3
        print(f"| {name:26} | {took:.0f} | {ratio(seconds, 'theirs', 'ours'):.1f} |", flush=True)


if __name__ == "__main__":
    main()
