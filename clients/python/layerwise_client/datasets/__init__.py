"""Small data sets for first steps: real ones, with their citations, and generated ones."""

from layerwise_client.datasets._catalogue import Dataset, info, load, names

__all__ = ["Dataset", "info", "load", "names"]
