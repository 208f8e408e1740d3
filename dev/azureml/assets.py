"""Environments, code and components: what publishing registers."""

import json
import uuid
from typing import Any

import yaml

from dev.azureml.answers import Answer, Call, Refusal, bad_argument, not_found, resource, spoken
from dev.azureml.specs import check_spec, first_change
from dev.azureml.workspace import Workspace

ANONYMOUS = "azureml_anonymous"


class Assets:
    """Handlers of everything that has versions."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    # Environments

    def put_environment(self, call: Call) -> Answer:
        """Register a version of an environment, which never changes afterwards."""
        properties = _properties(call)
        if not properties.get("image") and not properties.get("build"):
            raise bad_argument("An environment needs an image or a build context.")
        try:
            conda = yaml.safe_load(properties.get("condaFile") or "{}")
        except yaml.YAMLError as error:
            raise bad_argument("The conda file of the environment is not YAML.") from error
        if not isinstance(conda, dict):
            raise bad_argument("The conda file of the environment is not a mapping.")
        return self._register(call, "environments/versions", properties, ("image", "condaFile", "build"))

    def get_environment(self, call: Call) -> Answer:
        """A version of an environment."""
        name = call.names["name"]
        return self._get(call, not_found(f"Environment {name} was not found.", "EnvironmentNotFound"))

    # Code

    def find_code(self, call: Call) -> Answer:
        """All code with the requested hash; where there is some, the SDK does not upload."""
        wanted = call.query.get("hash")
        with self.workspace.lock:
            found = [
                one
                for one in self.workspace.resources.values()
                if one["type"].endswith("/codes/versions")
                and one["properties"].get("properties", {}).get("hash_sha256") == wanted
            ]
        return Answer(200, {"value": found if wanted else []})

    def start_upload(self, _: Call) -> Answer:
        """A place to upload code to: a fresh container each time, as the service gives."""
        address, signed = self.workspace.storage.pending_upload()
        credential = {"credentialType": "SAS", "sasUri": signed}
        reference = {"blobUri": address, "storageAccountArmId": "", "credential": credential}
        return Answer(200, {"pendingUploadId": None, "blobReferenceForConsumption": reference})

    def put_code(self, call: Call) -> Answer:
        """Register code that was uploaded."""
        properties = _properties(call)
        storage = self.workspace.storage
        container, prefix = storage.place(str(properties.get("codeUri", "")))
        if container not in storage.uploads or next(storage.names(container, prefix), None) is None:
            raise bad_argument(f"Nothing was uploaded to {properties.get('codeUri')!r}.")
        return self._register(call, "codes/versions", properties, ("codeUri",))

    def get_code(self, call: Call) -> Answer:
        """A version of code."""
        return self._get(call, not_found(f"Not found code {call.names['name']}.", "CodeNotFound"))

    # Components

    def put_component(self, call: Call) -> Answer:
        """Register a version of a component. What it does never changes; its description can."""
        properties = _properties(call)
        spec = properties.get("componentSpec")
        if not isinstance(spec, dict):
            raise bad_argument("A component needs a componentSpec.")
        name, version = call.names["name"], call.names["version"]
        with self.workspace.lock:
            check_spec(self.workspace, name, spec)
            path = call.path
            if name == ANONYMOUS:  # the same content gets the same id, which is not the one that was sent
                content = {key: value for key, value in spec.items() if key != "version"}
                version = str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True)))
                path = self.workspace.id("components", name, "versions", version)
            elif str(spec.get("version")) != version:
                raise bad_argument(f"The version {spec.get('version')!r} is not the one of the path.")
            old = self.workspace.specs.get(path)
            if old is not None and (field := first_change(_declared(old), _declared(spec))):
                message = f'Failed to update component {name} since field "{field}" is immutable, '
                raise bad_argument(f"{message}try specifying a new version.", "UpdateComponentFailed")
            self.workspace.specs[path] = spec
            shown = {
                key: value for key, value in spec.items() if key not in {"jobs", "_source", "sourceJobId"}
            }
            body = {
                **properties,
                "componentSpec": _declared(shown),
                "provisioningState": "Succeeded",
                "stage": "Logged" if name == ANONYMOUS else "Development",
            }
            answer = resource(path, version, "components/versions", body)
            self.workspace.resources[path] = answer
        return Answer(201 if old is None else 200, answer)

    def get_component(self, call: Call) -> Answer:
        """A version of a component, without its steps."""
        name = call.names["name"]
        return self._get(call, not_found(f"Not found component {name}.", "ComponentNotFound"))

    def list_components(self, call: Call) -> Answer:
        """All versions of a component, the newest first."""
        found = self.workspace.below(call.path)
        found.sort(key=lambda one: str(one["systemData"]["createdAt"]), reverse=True)
        return Answer(200, {"value": found})

    # All of them

    def _get(self, call: Call, missing: Refusal) -> Answer:
        return Answer(200, self.workspace.find(call.path, missing))

    def _register(
        self, call: Call, kind: str, properties: dict[str, Any], immutable: tuple[str, ...]
    ) -> Answer:
        with self.workspace.lock:
            old = self.workspace.resources.get(call.path)
            for field in immutable:
                if old is not None and old["properties"].get(field) != properties.get(field):
                    raise bad_argument(
                        f'Failed to update {call.names["name"]} since field "{field}" is immutable, '
                        "try specifying a new version.",
                        "ImmutableField",
                    )
            body = {**properties, "provisioningState": "Succeeded"}
            self.workspace.resources[call.path] = resource(call.path, call.names["version"], kind, body)
            return Answer(201 if old is None else 200, self.workspace.resources[call.path])


def _properties(call: Call) -> dict[str, Any]:
    properties = call.body.get("properties")
    if not isinstance(properties, dict):
        raise bad_argument("The body has no properties.")
    return properties


def _declared(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification as the service shows it: defaults filled in, flags and numbers as texts."""
    inputs = {name: {"optional": False, **one} for name, one in spec.get("inputs", {}).items()}
    deterministic = spec.get("is_deterministic", spec.get("type") != "pipeline")
    more = {"inputs": inputs} if inputs else {}
    answer: dict[str, Any] = spoken({**spec, **more, "is_deterministic": deterministic})
    return answer
