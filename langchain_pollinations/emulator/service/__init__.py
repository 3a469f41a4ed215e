"""What the service does with every request: accounts, cache, validation, generation."""
