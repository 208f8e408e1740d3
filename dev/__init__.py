"""Development tools for one machine: Azurite, function host, Azure ML emulator, demo and soak test."""
