"""Benchmarks: this package beside the least possible chat model, raw httpx, and other integrations. See `__main__`."""
