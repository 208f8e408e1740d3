"""Blob storage: connecting, requests with retries, errors, containers. No other place talks to it."""
