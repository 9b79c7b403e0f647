"""Packed training beside one network after the other: how many times as fast, the median over the rounds.

python -m benchmarks.packed
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import limit_threads, ratio, side_by_side
from benchmarks.networks import LEARNING_RATE, Network
from layerwise import MLP, Adam, Architecture, Layer, Plan, fit, fit_packed


@dataclass(frozen=True, slots=True)
class Pack:
    """So many networks, each by a seed of its own."""

    network: Network
    networks: int

    def runs(self) -> dict[str, Callable[[], object]]:
        """Two epochs of all networks: one by one, and together."""
        inputs, *hidden, outputs = self.network.widths
        architecture = Architecture(inputs, (*(Layer(units, "relu") for units in hidden), Layer(outputs)))
        X, y = self.network.data()
        plans = [
            Plan(seed=k, epochs=2, batch_size=self.network.batch, optimizer=Adam(LEARNING_RATE), doctor=False)
            for k in range(self.networks)
        ]

        def models() -> list[MLP]:
            return [MLP(architecture, seed=k) for k in range(self.networks)]

        def alone() -> None:
            for model, plan in zip(models(), plans, strict=True):
                list(fit(model, X, y, plan=plan))

        def packed() -> None:
            list(fit_packed(models(), X, y, plans=plans))

        return {"alone": alone, "packed": packed}


PACKS = (
    Pack(Network((4, 16, 3), 32), 64),
    Pack(Network((4, 16, 3), 32), 8),
    Pack(Network((30, 64, 64, 2), 64), 16),
    Pack(Network((64, 100, 10), 128), 16),
    Pack(Network((784, 100, 10), 128, rows=2048), 8),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds

    limit_threads()
    print(f"| {'network / batch':24} | networks | alone / packed |")
    print(f"|{'-' * 26}|---------:|---------------:|", flush=True)
    for pack in PACKS:
        seconds = side_by_side(pack.runs(), rounds=rounds)
        print(
            f"| {pack.network.name:24} | {pack.networks:>8} | {ratio(seconds, 'alone', 'packed'):>14.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
