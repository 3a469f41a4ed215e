"""Scripted replies, faults, and the formats in which responses are sent."""
