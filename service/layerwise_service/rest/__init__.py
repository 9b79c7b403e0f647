"""The REST face: POST /predict, the management API, health and metrics."""
