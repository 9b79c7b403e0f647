"""Trains multilayer perceptrons: the NumPy core."""
