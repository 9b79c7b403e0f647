"""Typed wrappers of the parts of scikit-learn in use; it has no types."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_random_state, column_or_1d, metaestimators, multiclass, validation

Method = TypeVar("Method", bound=Callable[..., Any])

validate_data: Any = validation.validate_data
DTYPES = np.float64, np.float32


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return a decorator for a method that exists only if `check` of the estimator is true."""
    decorator: Any = metaestimators.available_if(check)
    return decorator  # type: ignore[no-any-return]


def new_rows(estimator: Any, X: ArrayLike) -> NDArray[Any]:
    """Return the rows `X` (n, features), float64 or float32, for a fitted `estimator`; sparse ones in CSR form.

    Raises ValueError.
    """
    validation.check_is_fitted(estimator)
    rows: NDArray[Any] = validate_data(estimator, X, reset=False, dtype=DTYPES, accept_sparse="csr")
    return rows


def rows_and_targets(
    estimator: Any, X: ArrayLike, y: ArrayLike, *, reset: bool, numeric: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return `X` (n, features), float64 or float32, and `y` as (n,) or (n, k); a column is flattened.

    A sparse `X` is in CSR form. With `reset` the `estimator` takes number and names of the features from `X`; otherwise
    `X` must have them. Raises ValueError.
    """
    dense: Any = y.toarray() if sparse.issparse(y) else y  # type: ignore[union-attr]  # pyright: ignore
    found: tuple[NDArray[Any], NDArray[Any]] = validate_data(
        estimator, X, dense, reset=reset, dtype=DTYPES, accept_sparse="csr", multi_output=True, y_numeric=numeric
    )
    rows, targets = found
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = np.asarray(column_or_1d(targets, warn=True))
    return rows, targets


def kind_of_classes(y: NDArray[Any]) -> str:
    """Return the type of the classes `y`: binary, multiclass, multilabel-indicator … Raises ValueError otherwise."""
    multiclass.check_classification_targets(y)
    kind: str = multiclass.type_of_target(y)
    return kind


def drawn_seed(random_state: Any) -> int:
    """Return a seed drawn from a RandomState, NumPy's global one if `random_state` is None."""
    return int(check_random_state(random_state).randint(2**31 - 1))
