"""Pure functions between LangChain's messages and the JSON of the service."""
