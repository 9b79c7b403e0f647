"""The stores: the tables of the database, and the files of datasets and models."""
