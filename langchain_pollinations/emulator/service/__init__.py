"""Functions that all routes share, such as accounts, the response cache, request validation and error responses."""
