"""What one pipeline step does: readings and models in, predictions out. It does not depend on Azure.

Importing this package is cheap: the function app does it at every cold start.
"""

from scoring.formats import PACK_NAME
from scoring.keys import InvalidKey, SensorKey

__version__ = "0.1.0"

__all__ = ["PACK_NAME", "InvalidKey", "SensorKey"]
