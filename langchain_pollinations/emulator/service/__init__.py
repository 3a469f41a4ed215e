"""The processing that all routes share: accounts, cache, validation, generation."""
