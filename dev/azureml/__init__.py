"""An emulator of Azure Machine Learning's control plane, for development and tests without an account.

It serves the unmodified Python SDK (azure-ai-ml) on loopback, over TLS. It responds as the service was
recorded to respond, rejects what the service rejects, and runs the submitted jobs: the command lines of the
registered components, with the code that was uploaded, on data in Azurite.

What it is not:

- It checks no identity and no role: any well-formed, unexpired token for an Azure audience will do.
  It hands out such tokens itself, as the identity endpoint of a Function app does.
- It builds no environments: steps run on this Python and ignore the registered environment.
- It has no nodes: steps are processes here, a few at a time. A compute cluster is a name and its settings.
- It mounts nothing, and shows what a mount would: a step fails for writing to an input without a mode,
  folders of outputs become blobs, files have no content type. Inputs are downloaded before a step starts,
  outputs uploaded when it has finished. An output of mode rw_mount shows what earlier steps of the same job
  wrote there, and nothing older; one of mode upload is kept only where its step succeeds, which the service
  does not document.
- It evicts no node by itself: `faults.lose` names the steps whose nodes are evicted.
- Bodies are checked against Microsoft's schemas only where those lie beside the repository.
- It supports pipelines of command components, and beyond those only what this project sends. Other requests
  get a 404 or 400 whose message names what is missing. Where the service's behaviour is not documented (the
  response to a second job of one name, for example), the emulator can be set to give any of the possible
  responses.
- It keeps everything in memory: the workspace is gone when it exits. What steps wrote is in Azurite.

A pipeline that runs here has been published, submitted and followed with the SDK's own calls. It has not
been proven to run on Azure: environments, identities, networks and quotas are tested only there.
"""

SUMMARY = (
    "an emulator of Azure Machine Learning on this machine: it checks no identity, builds no environment, "
    "has no nodes and forgets everything when it exits (see dev/azureml/__init__.py)"
)
"""The same in one line, for its command line."""
