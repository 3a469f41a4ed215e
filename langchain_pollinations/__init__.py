"""Pollinations.AI for LangChain."""
