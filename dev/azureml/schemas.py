"""Bodies against Microsoft's own schemas of the resource provider, where a folder of them exists.

One JSON Schema (draft 4) for each api-version, as published in Azure/azure-resource-manager-schemas; the
project ships none of them. jsonschema checks values; the walk is our own for two reasons. A union names its
alternative by a constant (`jobType`), of which jsonschema says only that no alternative fits. And the
schemas do not forbid unknown properties, which the service ignores: a misspelt setting has no effect there.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator

from dev.azureml.answers import Call, bad_argument

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "azureml-schemas"
"""Where the schemas are looked for: beside the repository."""

PROVIDER = "Microsoft.MachineLearningServices"
ACCEPTED = (
    ("codes/versions", r"properties\.properties\.hash_version: .* not of type 'string'", "sent by the SDK"),
    (
        "schedules",
        r"properties\.trigger\.frequency: '(minute|hour|day|week)' is not",
        "the service ignores case",
    ),
    ("batchEndpoints", r"properties\.authMode: 'aadToken' is not", "the service ignores case"),
)
"""Kind, remark and reason: differences in the SDK's own bodies that the service accepts."""

_APPLIED_HERE = frozenset({"$ref", "allOf", "oneOf", "properties", "additionalProperties", "items"})

type Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remark:
    """One place where a body differs from its schema."""

    kind: str
    text: str
    accepted: str | None = None
    """Why the service accepts it nevertheless; None if it does not."""


class Schemas:
    """The schemas of a folder, and a count of what they were used for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """If the folder does not exist, nothing is checked."""
        self.folder = folder
        self.checked: list[str] = []
        """Kind of each body that was checked so far."""
        self.remarks: list[Remark] = []

    def check(self, call: Call, root: str) -> None:
        """Refuse a body that differs from the schema of its kind and api-version.

        Raises:
            Refusal: it does, in a way that the service does not accept.
        """
        parts = call.path.removeprefix(root).strip("/").split("/")
        kind, version = "/".join(parts[::2]), call.query.get("api-version", "")
        file = self.folder / f"{version}.json"
        if not file.is_file():
            return
        document = _read(file)
        schema = document["resourceDefinitions"].get(f"workspaces_{kind.replace('/', '_')}")
        if schema is None:
            return
        body = {
            **call.body,
            "name": parts[-1],
            "type": f"{PROVIDER}/workspaces/{kind}",
            "apiVersion": version,
        }
        remarks = [_judged(kind, text) for text in differences(document, schema, body)]
        self.checked.append(kind)
        self.remarks.extend(remarks)
        if refused := [remark.text for remark in remarks if not remark.accepted]:
            raise bad_argument(f"The request is invalid: {'; '.join(refused)}", "InvalidRequestBody")


def differences(document: Schema, schema: Schema, body: Any, where: str = "") -> Iterator[str]:
    """What is wrong with a body, one line for each place, with the path of that place first."""
    yield from _walk(document, [schema], body, where)


def _walk(document: Schema, schemas: list[Schema], value: Any, where: str) -> Iterator[str]:
    flat = [leaf for schema in schemas for leaf in _leaves(document, schema, value)]
    for leaf in flat:
        here = {key: rule for key, rule in leaf.items() if key not in _APPLIED_HERE}
        for error in Draft4Validator(here).iter_errors(value):
            yield f"{where}: {error.message}"
    if isinstance(value, dict):
        for name, item in value.items():
            path = f"{where}.{name}".lstrip(".")
            below = [leaf["properties"][name] for leaf in flat if name in leaf.get("properties", {})]
            below = below or [leaf["additionalProperties"] for leaf in flat if "additionalProperties" in leaf]
            if below:
                yield from _walk(document, below, item, path)
            elif any(leaf.get("properties") for leaf in flat):
                yield f"{path}: unknown property"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            items = [leaf["items"] for leaf in flat if "items" in leaf]
            yield from _walk(document, items, item, f"{where}[{number}]")


def _leaves(document: Schema, schema: Schema, value: Any) -> Iterator[Schema]:
    """The schemas without references and unions that a value has to satisfy, all of them."""
    if "$ref" in schema:
        yield from _leaves(document, document["definitions"][schema["$ref"].rsplit("/", 1)[1]], value)
        return
    for part in schema.get("allOf", ()):
        yield from _leaves(document, part, value)
    if alternatives := schema.get("oneOf"):
        fitting = [one for one in alternatives if _is_meant(document, one, value)]
        for one in fitting[:1]:  # where there is none, the constant that names it gets a remark of its own
            yield from _leaves(document, one, value)
    yield schema


def _is_meant(document: Schema, schema: Schema, value: Any) -> bool:
    """Whether an alternative of a union is the one that a value names by its constants."""
    constants = {
        name: allowed
        for leaf in _leaves(document, schema, value)
        for name, rule in leaf.get("properties", {}).items()
        if (allowed := [rule["const"]] if "const" in rule else rule.get("enum")) and len(allowed) == 1
    }
    return isinstance(value, dict) and all(value.get(name) in allowed for name, allowed in constants.items())


def _judged(kind: str, text: str) -> Remark:
    reasons = (reason for of, remark, reason in ACCEPTED if of == kind and re.search(remark, text))
    return Remark(kind, text, next(reasons, None))


@cache
def _read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_bytes())
    return document
