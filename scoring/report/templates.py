"""Pages from the templates in `assets`: each is one file that fetches nothing, and its policy forbids it to.

Every text in a template is escaped by Jinja2; the filter `name` also keeps a text from outside from changing
the writing direction of what surrounds it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_ASSETS = files("scoring.report") / "assets"


def render(template: str, title: str, context: dict[str, Any], data: Any, assets: Iterable[str]) -> bytes:
    """A whole page.

    Args:
        template: name of the template in `assets`; it extends `frame.html`.
        title: the page's title.
        context: what the template shows; plain texts and numbers.
        data: what the script reads; any JSON.
        assets: names of style sheets and scripts in `assets`; the scripts run as one in strict mode.
    """
    names = list(assets)
    library = _asset("uPlot.iife.min.js")
    style = _asset("uPlot.min.css") + "".join(_asset(name) for name in names if name.endswith(".css"))
    parts = "".join(_asset(name) for name in names if name.endswith(".js"))
    script = f"'use strict';\n(() => {{\n{parts}}})();\n"
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = _environment().get_template(template)
    text = page.render(
        context,
        title=title,
        policy=policy,
        style=style,
        data=json_in_script(data),
        library=library,
        script=script,
    )
    text = _CONTROLS.sub("\ufffd", text)
    return text.encode(errors="replace")  # a lone surrogate, as in a damaged blob name, is not UTF-8


_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters besides those of a line: in a page they stand for nothing."""

_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that start or end a run of another writing direction: one in a name could end the page's own."""


def escape_bidi(text: str) -> str:
    """`text` with characters that change the writing direction around them shown by their code."""
    if text.isascii():
        return text
    return _BIDI.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def json_in_script(data: Any) -> str:
    """JSON in ASCII that an HTML parser cannot mistake for a tag or a comment."""
    plain = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup, escape

    def finalize(value: Any) -> Any:
        if isinstance(value, Markup):
            return value
        return "" if value is None else escape_bidi(str(value))

    def name(value: Any) -> Markup:
        return Markup(f"<bdi>{escape(finalize(value))}</bdi>")  # noqa: S704 - it is escaped

    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"name": name, "count": "{:,}".format}
    return environment


def _asset(file: str) -> str:
    return (_ASSETS / file).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
