"""Networks as programs: one file of Python that needs NumPy alone."""

from layerwise.standalone.export import export_standalone, to_standalone

__all__ = ["export_standalone", "to_standalone"]
