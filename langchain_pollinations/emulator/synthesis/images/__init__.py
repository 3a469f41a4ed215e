"""Generates images from prompts."""
