"""Arguments of users: rows, tables, targets and weights, checked and read in blocks."""
