"""The models of the service."""
