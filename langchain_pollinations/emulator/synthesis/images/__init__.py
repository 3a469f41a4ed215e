"""Synthesis of images from prompts."""
