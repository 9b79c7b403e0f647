"""The Open Inference Protocol v2, whichever way it comes: REST and gRPC only convert their messages."""
