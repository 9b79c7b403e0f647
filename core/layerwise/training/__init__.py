"""Training: records of its progress, everything it consists of, and what ends it."""
