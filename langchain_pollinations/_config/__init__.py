"""The connection fields that all wrappers share."""
