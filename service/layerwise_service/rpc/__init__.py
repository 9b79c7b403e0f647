"""The gRPC face: training, models and predictions."""
