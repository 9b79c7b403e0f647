"""Calls to the service over gRPC and HTTP, and the translation of their errors."""
