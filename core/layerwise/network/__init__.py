"""Networks: architecture, parameters and forward pass."""
