"""Python SDK and command line of a Layerwise service."""
