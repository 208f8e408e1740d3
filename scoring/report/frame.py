"""The frame of a page: one file that fetches nothing, and says so to the browser."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Any

_ASSETS = files("scoring.report") / "assets"

_FRAME = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$style</style>
</head>
<body>
$body
<script type="application/json" id="data">$data</script>
<script>$library</script>
<script>$script</script>
</body>
</html>
""")


def frame(title: str, body: str, data: Any, styles: Iterable[str], scripts: Iterable[str]) -> bytes:
    """A whole page.

    Args:
        title: plain text.
        body: HTML, with every text from outside escaped already.
        data: what the script reads; any JSON.
        styles: names of style sheets in `assets`.
        scripts: names of scripts in `assets`, run as one in strict mode.
    """
    library = _asset("uPlot.iife.min.js")
    style = _asset("uPlot.min.css") + "".join(_asset(name) for name in styles)
    script = "'use strict';\n(() => {\n" + "".join(_asset(name) for name in scripts) + "})();\n"
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = _FRAME.substitute(
        title=text(title),
        policy=policy,
        style=style,
        body=body,
        data=json_in_script(data),
        library=library,
        script=script,
    )
    return page.encode(errors="replace")  # a lone surrogate, as in a damaged blob name, is no UTF-8


_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that begin or end a stretch of another direction: those in a name could end ours."""


def template(file: str) -> Template:
    """A template in `assets`; what is put in must be HTML already."""
    return Template(_asset(file))


def text(value: object) -> str:
    """Plain text as HTML, in content and in attributes."""
    return html.escape(visible(str(value)), quote=True)


def visible(value: str) -> str:
    """`value` with what would turn the direction of the text around it shown by its code."""
    return _TURNING.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value)


def name(value: object) -> str:
    """A name from outside as HTML: whatever its writing direction, it stays within itself."""
    return f"<bdi>{text(value)}</bdi>"


def json_in_script(data: Any) -> str:
    """JSON that no HTML parser takes for a tag or a comment, in ASCII."""
    plain = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(file: str) -> str:
    return (_ASSETS / file).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
