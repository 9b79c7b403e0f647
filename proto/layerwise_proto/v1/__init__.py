"""Package layerwise.v1: the training API."""
