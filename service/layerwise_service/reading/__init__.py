"""Reading of a table file: what it is, its columns and their formats, and its rows as typed columns. DuckDB alone.

It is read in a process of its own, `__main__.py`, which `reader.py` starts. This module imports nothing, so that the
processes that start a reader do not load DuckDB.
"""
