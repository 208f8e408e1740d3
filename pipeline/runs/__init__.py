"""Runs as they are stored: names, records, manifests, claims, history."""
