"""How the service is reached: gRPC and HTTP, and their errors as the package's own."""
