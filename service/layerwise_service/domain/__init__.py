"""The things that the service is about, without any input or output."""
