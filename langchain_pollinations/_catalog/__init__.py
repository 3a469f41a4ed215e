"""Records, lists and snapshot of the service's models."""
