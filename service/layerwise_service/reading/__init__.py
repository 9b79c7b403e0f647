"""Reading of files and of tables that were sent: their columns and formats, and their rows as typed columns.

Files are read by DuckDB, in a process of their own, `__main__.py`, which `reader.py` starts. So are large tables,
without DuckDB. This module imports nothing, so that the processes that start a reader do not load DuckDB.
"""
