"""Developing on one machine: Azurite, the function host, the demo, the Azure ML emulator."""
