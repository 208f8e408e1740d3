"""Stored runs: names, records, manifests, claims, history."""
