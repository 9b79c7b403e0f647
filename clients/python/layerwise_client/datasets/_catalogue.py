"""The catalogue of built-in data sets, and their loading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerwise_client.datasets import _files, _generated
from layerwise_client.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Data = tuple[npt.NDArray[np.float32], np.ndarray[Any, np.dtype[Any]]]

_PLANE = ("x", "y")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Description of a built-in data set.

    Attributes
    ----------
    name, title : str
        Name, and what it is.
    rows : int
        Number of rows; for a generated data set, the default of `load`.
    columns : tuple of str
        Names of the columns, all of them numbers.
    target : str
        Name of the column of classes.
    classes : tuple of int or str
        The classes.
    citation, licence : str
        Source and licence; "" for a generated data set without one.
    noise : float or None
        Default standard deviation of the noise of a generated data set; None for real data.
    """

    name: str
    title: str
    rows: int
    columns: tuple[str, ...]
    target: str
    classes: tuple[int | str, ...]
    citation: str
    licence: str
    noise: float | None = None

    @property
    def generated(self) -> bool:
        """Whether the data set is generated; otherwise it is real data."""
        return self.noise is not None


_DRAW: dict[str, Callable[[int, float, np.random.Generator], _generated.Points]] = {
    "spiral": _generated.spiral,
    "circles": _generated.circles,
    "xor": _generated.xor,
    "moons": _generated.moons,
}


def _drawn(name: str, title: str, *, rows: int, classes: int, noise: float, citation: str = "") -> Dataset:
    return Dataset(name, title, rows, _PLANE, "class", tuple(range(classes)), citation, "", noise)


_ALL = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="digits",
            title="handwritten digits, 8 × 8 pixels from 0 to 16",
            rows=1797,
            columns=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
            target="digit",
            classes=tuple(range(10)),
            citation=(
                "E. Alpaydin, C. Kaynak (1998): Optical Recognition of Handwritten Digits (its test set). "
                "UCI Machine Learning Repository, https://doi.org/10.24432/C50P49"
            ),
            licence="CC BY 4.0",
        ),
        Dataset(
            name="iris",
            title="three species of iris, sepals and petals in cm",
            rows=150,
            columns=("sepal_length", "sepal_width", "petal_length", "petal_width"),
            target="species",
            classes=("setosa", "versicolor", "virginica"),
            citation=(
                "R. A. Fisher (1936): The use of multiple measurements in taxonomic problems. "
                "Annals of Eugenics 7(2), 179-188"
            ),
            licence="CC BY 4.0",
        ),
        _drawn(
            "spiral",
            "three arms of a spiral",
            rows=300,
            classes=3,
            noise=0.2,
            citation="Stanford CS231n notes, Putting it together: minimal neural network case study",
        ),
        _drawn("circles", "a circle within a circle", rows=400, classes=2, noise=0.1),
        _drawn("xor", "four clouds, opposite ones of one class", rows=400, classes=2, noise=0.3),
        _drawn("moons", "two half circles, hooked into each other", rows=400, classes=2, noise=0.15),
    )
}


def names() -> list[str]:
    """Return the names of the built-in data sets.

    Returns
    -------
    list of str
        The names, real data first.
    """
    return list(_ALL)


def info(name: str) -> Dataset:
    """Return the description of a data set.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    Dataset
        The description.

    Raises
    ------
    NotFound
        If there is no data set of this name.
    """
    if name not in _ALL:
        detail = f"there is no built-in data set {name!r}; expected one of {', '.join(_ALL)}"
        raise NotFound(detail, reason="DATASET_NOT_FOUND")
    return _ALL[name]


def load(name: str, *, rows: int | None = None, noise: float | None = None, seed: int | None = None) -> Data:
    """Load a built-in data set.

    Parameters
    ----------
    name : str
        One of `names()`.
    rows : int, optional
        Number of rows of a generated data set. Real data takes neither `rows` nor `noise` nor `seed`.
    noise : float, optional
        Standard deviation of the Gaussian noise of a generated data set.
    seed : int, optional
        Seed of a generated data set, 0 by default. The same seed gives the same data.

    Returns
    -------
    X : numpy.ndarray of float32, shape (rows, features)
    y : numpy.ndarray, shape (rows,)
        Classes as int64; for iris the names of the species.

    Raises
    ------
    NotFound
        If there is no data set of this name.
    InvalidRequest
        If an argument is out of range, or is given for real data.
    """
    dataset = info(name)
    if dataset.noise is None:
        given = [each for each, value in (("rows", rows), ("noise", noise), ("seed", seed)) if value is not None]
        if given:
            raise InvalidRequest(f"{given[0]}: only generated data sets take it, {name} is real data", pointer=given[0])
        return _files.read(name)
    import numpy as np

    rows = dataset.rows if rows is None else rows
    noise = dataset.noise if noise is None else noise
    if rows < len(dataset.classes):
        detail = f"rows: expected at least {len(dataset.classes)}, one for each class, got {rows}"
        raise InvalidRequest(detail, pointer="rows")
    if not 0 <= noise < float("inf"):
        raise InvalidRequest(f"noise: expected a finite number of at least 0, got {noise}", pointer="noise")
    if seed is not None and seed < 0:
        raise InvalidRequest(f"seed: expected a whole number of at least 0, got {seed}", pointer="seed")
    generator = np.random.default_rng(seed or 0)
    X, y = _DRAW[name](rows, noise, generator)
    order = generator.permutation(rows)  # shuffled, so that any slice of rows has all classes
    return X[order].astype(np.float32), y[order]
