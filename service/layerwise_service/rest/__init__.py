"""The REST service: POST /predict, the management API, health and metrics."""
