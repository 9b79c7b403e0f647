"""Packed training: several networks of one architecture, trained together as stacked matrix products."""

from layerwise.training.packed.fit import PackedTraining, fit_packed
from layerwise.training.packed.records import PackedRecord

__all__ = ["PackedRecord", "PackedTraining", "fit_packed"]
