"""Generates the content of responses: text, images, audio, videos and 3D objects."""
