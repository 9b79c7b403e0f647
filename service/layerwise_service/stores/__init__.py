"""Where things are kept: the database's tables, and the files of datasets and models."""
