"""Response bodies of the legacy hosts, which run on the web framework Express."""

from __future__ import annotations

from starlette.responses import JSONResponse

JPEG = "image/jpeg"


class Json(JSONResponse):
    """A JSON response whose content type includes a charset. Express sends JSON in this way."""

    media_type = "application/json; charset=utf-8"


def page(message: str) -> str:
    """Return the HTML error page of Express. Express sends it for an invalid request or an unknown path."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>{message}</pre>\n</body>\n</html>\n"
    )


MALFORMED = page("SyntaxError: Unexpected token in JSON at position 1")
