"""Export of networks as Python programs that need only NumPy."""

from layerwise.standalone.export import export_standalone, to_standalone

__all__ = ["export_standalone", "to_standalone"]
