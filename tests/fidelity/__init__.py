"""What Azure itself is made of, where Microsoft publishes it: `make fidelity`."""
