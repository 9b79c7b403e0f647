"""Training data: checks, splits, and reading in batches."""
