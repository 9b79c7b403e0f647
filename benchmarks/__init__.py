"""Layerwise beside its peers, in one run: training, inference, a whole fit. `make bench-train` prints the first."""
