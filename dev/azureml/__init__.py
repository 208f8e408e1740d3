"""An emulator of Azure Machine Learning's control plane, for developing and testing with no account.

It answers the unmodified Python SDK (azure-ai-ml) on loopback, over TLS, the way the service was recorded to
answer it, refuses what the service refuses, and runs the jobs that are submitted: the command lines of the
registered components, with the code that was uploaded, on data in Azurite.

What it is not:

- It checks no identity and no role: any token that is well formed, not expired and meant for Azure will do.
  It hands out such tokens itself, as the identity endpoint of a Function app does.
- It builds no environments: steps run on this Python, whatever the registered environment asks for.
- It has no nodes: steps are processes here, a few at a time. A compute cluster is a name and its settings.
- It mounts nothing, and shows what a mount would: a step fails for writing to an input without a mode,
  folders of outputs become blobs, files have no type of content. Inputs are downloaded before a step starts,
  outputs uploaded when it has ended. An output of mode rw_mount shows what earlier steps of the same job
  wrote there, and nothing older; one of mode upload is kept only where its step succeeds, which the service
  does not document.
- It evicts no node by itself: `faults.lose` names the steps whose nodes are evicted.
- Bodies are checked against Microsoft's schemas only where those lie beside the repository.
- It knows pipelines of command components, and of all else only what this project sends. Anything else is
  answered 404 or 400 and says so. Where the service's behaviour is not documented (what a second job of one
  name is told, for one), it can be told which of the possible answers to give.
- It keeps everything in memory: when it ends, the workspace is gone. What steps wrote is in Azurite.

A pipeline that runs here has been published, submitted and followed with the SDK's own calls. It has not
been proven to run on Azure: environments, identities, networks and quotas are tested only there.
"""

SUMMARY = (
    "an emulator of Azure Machine Learning on this machine: it checks no identity, builds no environment, "
    "has no nodes and forgets everything when it ends (see dev/azureml/__init__.py)"
)
"""The same in one line, for those who start it."""
