"""Masked arrays of NumPy, which NumPy would convert to what stands under the mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from layerwise_client._data.places import invalid


def refuse_masked(value: object, name: str, *, first_row: int = 0) -> None:
    """Raise `InvalidRequest` if `value`, or one of the rows in it, is a masked array."""
    from layerwise.data.arrays import check_unmasked
    from layerwise.errors import InvalidInput, Place

    try:
        check_unmasked(value, name)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            for row, each in enumerate(cast("Sequence[object]", value), first_row):
                check_unmasked(each, Place(name, row))
    except InvalidInput as error:
        raise invalid(error.place, error.detail) from error
