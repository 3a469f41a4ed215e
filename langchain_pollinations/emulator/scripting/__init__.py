"""Queued replies, injected faults, and the response formats of the providers."""
