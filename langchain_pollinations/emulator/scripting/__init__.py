"""Scripted replies and faults, and the forms in which responses are sent."""
