"""The HTML pages on which a user allows or refuses a sign-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from starlette.responses import HTMLResponse, Response

STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0; padding: 2rem 1rem; }
main { max-width: 28rem; margin: 0 auto; }
h1 { font-size: 1.5rem; line-height: 1.2; }
label, legend { display: block; font-weight: 600; }
fieldset { margin: 0 0 1rem; padding: .75rem 1rem; border: 1px solid #8888; border-radius: .5rem; }
fieldset label { font-weight: 400; }
input:not([type=checkbox]) {
  box-sizing: border-box; width: 100%; padding: .5rem; font: inherit; border: 1px solid #888; border-radius: .25rem;
}
.hint { margin: .25rem 0 1rem; font-size: .875rem; opacity: .8; }
.error { padding: .5rem .75rem; border-left: .25rem solid #c62828; }
.buttons { display: flex; gap: .75rem; }
button {
  flex: 1; padding: .6rem; font: inherit; font-weight: 600; border: 1px solid #888; border-radius: .25rem;
  cursor: pointer;
}
button[value=approve], button:only-child { background: #1b5e20; border-color: #1b5e20; color: #fff; }
:focus-visible { outline: 3px solid #1e88e5; outline-offset: 2px; }
"""
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
SCOPES = {
    "profile": "Read your name and email address",
    "usage": "Read your balance and usage",
    "keys": "Create and revoke API keys",
    "machines": "Use hosted sandboxes",
}


def page(title: str, body: str, status: int = 200) -> Response:
    """Return an HTML page. `title` is text, `body` is HTML."""
    title = escape(title)
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Pollinations emulator</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
    return HTMLResponse(html, status, HEADERS)


def message(title: str, text: str, status: int = 200) -> Response:
    return page(title, f'<p role="status">{escape(text)}</p>', status)


def _error(text: str) -> str:
    return f'<p class="error" role="alert">{escape(text)}</p>\n' if text else ""


def code_form(user_code: str = "", error: str = "") -> Response:
    """Return the page that asks for the user code."""
    body = f"""{_error(error)}<form method="get" action="/device">
<label for="user_code">Code</label>
<input id="user_code" name="user_code" value="{escape(user_code)}" required autofocus autocomplete="off"
  spellcheck="false" aria-describedby="code-hint">
<p class="hint" id="code-hint">The app shows this code, for example ABCD-1234.</p>
<div class="buttons"><button>Continue</button></div>
</form>"""
    return page("Connect an app", body, 400 if error else 200)


def consent_form(
    action: str,
    app: str,
    scopes: Sequence[str],
    fields: Mapping[str, str],
    budget: str,
    days: str,
    user_code: str = "",
    error: str = "",
) -> Response:
    """Return the page on which the user approves or denies a request.

    Args:
        action: Path to which the form is sent.
        app: Client id of the app.
        scopes: The scopes that the app requests.
        fields: Hidden fields of the form.
        budget: Value of the field for the budget.
        days: Value of the field for the lifetime.
        user_code: User code of the device flow. The user compares it with the code in the app.
        error: Message about a wrong value.
    """
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n' for name, value in fields.items()
    )
    code = (
        user_code
        and f"""<label for="user_code">Code</label>
<input id="user_code" name="user_code" value="{escape(user_code)}" readonly aria-describedby="code-hint">
<p class="hint" id="code-hint">Continue only if the app shows this code.</p>
"""
    )
    boxes = "".join(
        f'<label><input type="checkbox" name="scope" value="{scope}" checked> {SCOPES[scope]} ({scope})</label>\n'
        for scope in scopes
    )
    asked = boxes and f"<fieldset>\n<legend>The app may also</legend>\n{boxes}</fieldset>\n"
    name = f"<strong>{escape(app)}</strong>" if app else "An app"
    body = f"""{_error(error)}<p>{name} asks for an API key that spends your Pollen.</p>
<form method="post" action="{action}">
{hidden}{code}{asked}<label for="budget">Budget in Pollen</label>
<input id="budget" name="budget" type="number" min="0" step="any" value="{escape(budget)}"
  aria-describedby="budget-hint">
<p class="hint" id="budget-hint">Leave this empty to allow your whole balance.</p>
<label for="days">Expires after days</label>
<input id="days" name="days" type="number" min="0" step="any" value="{escape(days)}" aria-describedby="days-hint">
<p class="hint" id="days-hint">Leave this empty for an API key that does not expire.</p>
<div class="buttons">
<button name="decision" value="approve">Approve</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</div>
</form>"""
    return page("Connect an app", body, 400 if error else 200)
