"""Convert between LangChain's messages and the JSON of the service. Pure functions."""
