"""Networks: their layers, parameters and outputs."""
