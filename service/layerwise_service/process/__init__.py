"""What every process of the service has: its logs, loops, counts and pulse."""
