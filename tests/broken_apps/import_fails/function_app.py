"""An app that needs what is not installed."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func
import no_such_package  # noqa: F401

app = func.FunctionApp()
