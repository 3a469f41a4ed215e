"""Generates speech, music and sound effects with the standard library. PyAV encodes the samples."""
