"""Synthetic speech, music and sound effects, generated with the standard library and encoded with PyAV."""
