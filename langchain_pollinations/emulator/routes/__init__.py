"""The HTTP routes of the service. Each module contains the routes for one kind of content."""
