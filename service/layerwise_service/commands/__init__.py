"""The service's commands: `layerwise serve`, `rest`, `rpc`, `worker`, `healthcheck`, `config`, `adopt`, `export`."""
