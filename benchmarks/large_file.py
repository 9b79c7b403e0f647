"""Trains on a file of 4 GB, larger than memory should hold, and prints the peak of resident memory (Linux).

    python benchmarks/large_file.py [--gigabytes 4] [--inputs 784] [--folder .]

The speed stands beside that in memory: 512 MB of the rows are trained on from the file and from an array by turns.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from layerwise import MLP, Architecture, Layer, Plan, fit


def main() -> None:
    """Writes the file, trains, predicts, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--inputs", type=int, default=784)
    parser.add_argument("--folder", type=Path, default=None, help="where the file is written; a folder on a disk")
    options = parser.parse_args()
    rows = int(options.gigabytes * 1e9) // (4 * options.inputs)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "X.npy"
        _write(path, rows, options.inputs)
        X = np.load(path, mmap_mode="r")
        y = (np.arange(rows) % 10).astype(np.uint8)
        few = int(512e6) // (4 * options.inputs)
        _train("all of the file", X, y)
        print(f"peak resident memory {_peak():.0f} MB for a file of {X.nbytes / 1e6:.0f} MB")
        part, copy, own = X[:few], np.array(X[:few]), y[:few]
        rates = [(_train("file", part, own), _train("memory", copy, own)) for _ in range(3)]
        from_file, in_memory = np.median(rates, axis=0)
        print(f"file / memory: {from_file / in_memory:.2f} of the rows per second, medians of three")


def _write(path: Path, rows: int, inputs: int) -> None:
    """Rows of ten classes, written through an ordinary file, so that no page of it is ever mapped."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, inputs)).astype(np.float32)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, inputs)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, 10_000):
            part = centres[np.arange(start, min(start + 10_000, rows)) % 10]
            file.write((part + rng.standard_normal(part.shape, np.float32)).tobytes())


def _train(name: str, X: np.ndarray, y: np.ndarray) -> float:
    """The rows per second of one epoch, after the check that all numbers are finite."""
    model = MLP(Architecture(X.shape[1], (Layer(100, "relu"), Layer(10))))
    start = time.perf_counter()
    run = fit(model, X, y, plan=Plan(epochs=1, batch_size=128, validation=0.05))
    checked = time.perf_counter() - start
    record = list(run)[-1]
    seconds = time.perf_counter() - start - checked
    told = f"{len(y):,} rows, check {checked:.1f} s, epoch {seconds:.1f} s, {len(y) / seconds:,.0f} rows/s"
    print(f"{name}: {told}, validation accuracy {record.validation_metric:.3f}")
    return len(y) / seconds


def _peak() -> float:
    """The most memory that was resident at once, pages of mapped files included, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


if __name__ == "__main__":
    main()
