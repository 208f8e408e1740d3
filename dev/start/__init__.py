"""Keeps the function app running on this machine."""
