"""The legacy hosts, text.pollinations.ai and image.pollinations.ai, which need no key."""
