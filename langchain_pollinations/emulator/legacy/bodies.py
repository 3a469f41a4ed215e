"""Bodies as the older hosts write them."""

from __future__ import annotations

from starlette.responses import JSONResponse

JPEG = "image/jpeg"


class Json(JSONResponse):
    """JSON with its charset, as Express labels it."""

    media_type = "application/json; charset=utf-8"


def page(message: str) -> str:
    """The page with which Express tells of a request that it cannot read or has no route for."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>{message}</pre>\n</body>\n</html>\n"
    )


MALFORMED = page("SyntaxError: Unexpected token in JSON at position 1")
