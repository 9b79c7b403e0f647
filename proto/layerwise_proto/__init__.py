"""Generated gRPC code and the JSON form of its messages."""
