"""The service's domain: jobs, datasets, models and their rules, without any input or output."""
