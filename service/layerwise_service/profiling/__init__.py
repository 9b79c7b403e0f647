"""The profile of a stored dataset, and findings about it. Made when it is asked for, from all rows or a sample."""
