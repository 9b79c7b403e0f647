"""Training of networks: step by step, with records, a doctor, early stopping and resuming."""
