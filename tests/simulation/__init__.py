"""A deterministic simulation: the real pipeline code over storage, engine and clock that live in memory."""
