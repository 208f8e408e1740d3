"""Making readings and models: simulate, aggregate, train."""
