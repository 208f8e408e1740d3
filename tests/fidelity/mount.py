"""Mount a container as Azure ML does on its nodes; a process of its own, in an environment of its own.

    python mount.py ADDRESS FOLDER LOGS [--read-only]

It ends when the folder is unmounted. `SSL_CERT_FILE` says whom to trust, and `MSI_ENDPOINT` where tokens come
from.
"""

import sys

from azureml.dataprep.rslex import PyMountOptions, RslexURIMountContext, init_environment

CREDENTIAL = {"type": "AzureMLCredential", "client_id": "00000000-0000-0000-0000-000000000001"}


def main() -> None:
    """Mount, and stay."""
    address, folder, logs, *options = sys.argv[1:]
    init_environment(logs, None, "WARN", False, None, None, None, None, None, CREDENTIAL)
    mount = PyMountOptions(None, None, None, False, "--read-only" in options, 0o777, False)
    RslexURIMountContext(folder, address, mount, True).start(True)


if __name__ == "__main__":
    main()
