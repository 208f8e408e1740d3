"""Command lines of components: resolves placeholders as Azure ML does.

    ${{inputs.x}}  ${{outputs.y}}                       in a component's command
    ${{parent.inputs.z}}  ${{parent.jobs.s.outputs.y}}  in inputs that a pipeline passes to its steps
    $[[--x=${{inputs.x}}]]                              omitted if that input is not given

Azure ML passes the result to a shell; here it is a list of arguments. The template is split into arguments
first, then the values are inserted, once: a value is always part of one argument, and never interpreted.
"""

import re
import shlex
from collections.abc import Collection, Mapping

from pipeline.errors import EngineError

_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_PLACEHOLDER = re.compile(r"\$\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+)\s*\}\}")
_LEFT_OVER = re.compile(r"\$\{\{|\$\[\[")

_SHOWN = 300
"""Characters of a command that a message repeats."""


class CommandError(EngineError):
    """A command or a binding of a published pipeline cannot be resolved."""


def arguments(
    template: str, values: Mapping[str, str], not_given: Collection[str] = frozenset()
) -> list[str]:
    """The argument list of a command.

    Args:
        template: the component's command.
        values: a text for each placeholder, such as `inputs.key`.
        not_given: known placeholders without a value; only optional parts can use them.

    Raises:
        CommandError: a placeholder is unknown or has no value, or the template is invalid.
    """

    def kept(part: re.Match[str]) -> str:
        names = _PLACEHOLDER.findall(part[1])
        return "" if any(name in not_given for name in names) else part[1]

    required = _OPTIONAL.sub(kept, template)
    _reject_left_overs(_PLACEHOLDER.sub("", required), template)
    tight = _PLACEHOLDER.sub(lambda found: f"${{{{{found[1]}}}}}", required)  # without blanks to split at
    try:
        words = shlex.split(tight)
    except ValueError as error:
        raise CommandError(
            f"the command {template[:_SHOWN]!r} cannot be split into arguments: {error}"
        ) from error
    if not words:
        raise CommandError("a component has an empty command")
    return [resolve(word, values) for word in words]


def resolve(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders replaced; values are not interpreted.

    Raises:
        CommandError: a placeholder is unknown or has no value.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            known = ", ".join(sorted(values)) or "none"
            raise CommandError(f"{found[0]} in {text[:_SHOWN]!r} has no value; known placeholders: {known}")
        return values[found[1]]

    _reject_left_overs(_PLACEHOLDER.sub("", text), text)
    return _PLACEHOLDER.sub(value, text)


def placeholders(text: str) -> list[str]:
    """Names of the placeholders in `text`, such as `parent.inputs.data`."""
    return _PLACEHOLDER.findall(text)


def _reject_left_overs(rest: str, text: str) -> None:
    """Refuse text that looks like a placeholder and is not a known one."""
    if found := _LEFT_OVER.search(rest):
        raise CommandError(f"{text[:_SHOWN]!r} contains {found[0]!r}, but not as a known placeholder")
