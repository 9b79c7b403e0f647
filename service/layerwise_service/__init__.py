"""The processes of Layerwise: gRPC training, REST prediction, workers."""
