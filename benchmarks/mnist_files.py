"""MNIST, from the files that one has."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]
Labels = NDArray[np.int64]


def mnist(folder: Path) -> tuple[Table, Labels, Table, Labels]:
    """Training rows and labels, test rows and labels; pixels from 0 to 1."""
    if (folder / "mnist.npz").exists():
        file = {name.lower(): array for name, array in np.load(folder / "mnist.npz").items()}
    else:
        stems = {"train": "train", "test": "t10k"}
        file = {f"x_{part}": idx(folder, f"{stem}-images") for part, stem in stems.items()}
        file |= {f"y_{part}": idx(folder, f"{stem}-labels") for part, stem in stems.items()}
    rows = {
        part: (file[f"x_{part}"].reshape(-1, 784) / np.float32(255)).astype(np.float32) for part in ("train", "test")
    }
    return rows["train"], file["y_train"].astype(np.int64), rows["test"], file["y_test"].astype(np.int64)


def idx(folder: Path, stem: str) -> NDArray[np.uint8]:
    """The array of an IDX file: its fourth byte is the number of dimensions, each of which has four bytes then."""
    path = next(path for path in sorted(folder.glob(f"{stem}*")) if "ubyte" in path.name)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
