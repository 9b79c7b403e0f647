"""Training steps of Layerwise beside PyTorch, scikit-learn and the bare matrix products: one table, or the check of it.

python -m benchmarks.train                  prints the table
python -m benchmarks.train --json FILE      and writes its ratios to FILE
python -m benchmarks.train --check FILE     and fails where a ratio has become worse than that of FILE

LAYERWISE_KERNELS=numpy or numba says by what code Layerwise trains; a file holds the ratios of both.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from benchmarks.measure import limit_threads, ratio, side_by_side
from benchmarks.networks import NETWORKS, Network
from benchmarks.peers import PEERS
from layerwise import kernels_in_use

TOLERANCE = 0.2
"""A ratio may be worse than the checked-in one by this share; beyond it, it is measured once more before it counts."""

BUSY = 0.7
"""A load average above it distorts: two threads that share a core with others wait for each other."""

RATIOS = {
    "torch_fused": ("torch fused / ours", "torch_fused", "layerwise"),
    "torch": ("torch / ours", "torch", "layerwise"),
    "scikit_learn": ("sklearn / ours", "scikit_learn", "layerwise"),
    "products": ("ours / products", "layerwise", "products"),
}
"""Title, of what, to what; the last is the only one that is better when small."""


def measured(network: Network, rounds: int) -> dict[str, float]:
    """Our rows per second, and the ratios."""
    seconds = side_by_side({name: peer(network) for name, peer in PEERS.items()}, rounds=rounds)
    rate = network.rows / statistics.median(seconds["layerwise"])
    return {"rows_per_second": rate} | {name: ratio(seconds, of, to) for name, (_, of, to) in RATIOS.items()}


def worse(found: dict[str, float], before: dict[str, float]) -> list[str]:
    """Which ratios of `found` are worse than `before` beyond the tolerance.

    Those to PyTorch do not count: its own times differ by a factor of two from one run to the next.
    """
    slower = ["scikit_learn"] * (found["scikit_learn"] < before["scikit_learn"] * (1 - TOLERANCE))
    return slower + ["products"] * (found["products"] > before["products"] * (1 + TOLERANCE))


def row(name: str, found: dict[str, float]) -> str:
    """A line of the table."""
    cells = [f"{found[ratio_name]:.2f}" for ratio_name in RATIOS]
    return f"| {name:24} | {found['rows_per_second']:>11,.0f} | " + " | ".join(f"{cell:>18}" for cell in cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="networks whose name begins so")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", type=Path)
    options = parser.parse_args()
    kernels = kernels_in_use().split()[0]
    before: dict[str, dict[str, float]] = json.loads(options.check.read_text())[kernels] if options.check else {}

    if (load := os.getloadavg()[0]) > BUSY:
        print(f"The machine is busy (load {load:.1f}): these figures will say little.", file=sys.stderr)
    limit_threads()
    titles = " | ".join(f"{title:>18}" for title, _, _ in RATIOS.values())
    print(f"Layerwise trains by {kernels_in_use()}.\n")
    print(f"| {'network / batch':24} | {'rows/s ours':>11} | {titles} |")
    print(f"|{'-' * 26}|{'-' * 12}:|" + f"{'-' * 19}:|" * len(RATIOS), flush=True)
    table: dict[str, dict[str, float]] = {}
    failures: list[str] = []
    for network in NETWORKS:
        if not network.name.startswith(options.only):
            continue
        found = measured(network, options.rounds)
        if before and worse(found, before[network.name]):
            found = measured(network, options.rounds)
        table[network.name] = {name: round(value, 2) for name, value in found.items() if name in RATIOS}
        print(row(network.name, found), flush=True)
        failures += [
            f"{network.name}: {RATIOS[name][0]} was {before[network.name][name]:.2f}, is {found[name]:.2f}"
            for name in (worse(found, before[network.name]) if before else [])
        ]
    if options.json:
        known = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps(known | {kernels: table}, indent=2) + "\n")
    if before:
        print("\n".join(failures) or f"No ratio is worse than in {options.check} by more than {TOLERANCE:.0%}.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
