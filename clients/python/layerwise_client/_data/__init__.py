"""What users hand over: rows, tables, targets and weights, checked and cut into blocks."""
