"""What callers can ask of the service, whichever way they come."""
