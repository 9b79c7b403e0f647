"""Data: what callers hand over, checked, split and read in batches."""
