"""The use-cases of the service, the same for REST and gRPC."""
