"""Packed training: several networks of one architecture, trained together as stacked matrix products."""

from layerwise.packed.records import PackedRecord
from layerwise.packed.training import PackedTraining, fit_packed

__all__ = ["PackedRecord", "PackedTraining", "fit_packed"]
