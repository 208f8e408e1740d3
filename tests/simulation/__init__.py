"""A deterministic simulation: the real pipeline code with in-memory storage, engine and clock."""
