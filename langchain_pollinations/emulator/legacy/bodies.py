"""Response bodies in the format of the legacy hosts."""

from __future__ import annotations

from starlette.responses import JSONResponse

JPEG = "image/jpeg"


class Json(JSONResponse):
    """JSON with a charset in its content type, as Express sends it."""

    media_type = "application/json; charset=utf-8"


def page(message: str) -> str:
    """Return the page that Express sends for a request that it cannot parse or has no route for."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>{message}</pre>\n</body>\n</html>\n"
    )


MALFORMED = page("SyntaxError: Unexpected token in JSON at position 1")
