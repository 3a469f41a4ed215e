"""I/O: requests, connections, retries, event streams and bodies."""
