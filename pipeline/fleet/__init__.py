"""The fleet over time: what all finished runs together say about each sensor, and what is worth a message."""
