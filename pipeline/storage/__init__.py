"""Blob storage: connections, retries, errors, containers. No other package sends requests to it."""
