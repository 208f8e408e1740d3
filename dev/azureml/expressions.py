"""Expressions in commands and bindings, resolved as Azure ML documents them.

    ${{inputs.x}}, ${{outputs.y}}    in a command: the path or the text
    $[[--x ${{inputs.x}}]]           an optional part: dropped where an optional input in it is not given
    ${{name}}, ${{output_name}}, ${{default_datastore}}    in the path of an output; `name` is the step's

Written from the documentation ("SDK and CLI v2 expressions", "CLI v2 core YAML syntax"), with no code of the
product: a misreading there fails here. Values are put in as they are, and the result is a line for a shell: a
blank or a quote in a value is the shell's to interpret.
"""

import re
from collections.abc import Collection, Mapping

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


class Unresolved(Exception):
    """An expression has no value in its place."""


def command_line(template: str, values: Mapping[str, str], absent: Collection[str]) -> str:
    """The command line for the node's shell.

    Args:
        template: the component's command.
        values: a text for each expression, such as `inputs.data`.
        absent: inputs that are declared and were not given.

    Raises:
        Unresolved: an expression is unknown, or outside an optional part and absent.
    """

    def part(found: re.Match[str]) -> str:
        return "" if any(name in absent for name in EXPRESSION.findall(found[1])) else found[1]

    return resolved(OPTIONAL.sub(part, template), values)


def resolved(text: str, values: Mapping[str, str]) -> str:
    """`text` with the value of each expression in its place; values are not expanded again.

    Raises:
        Unresolved: an expression has no value.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise Unresolved(f"the expression {found[0]} has no value")
        return values[found[1]]

    return EXPRESSION.sub(value, text)
