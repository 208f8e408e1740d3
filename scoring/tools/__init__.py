"""Tools that produce readings and models: simulate, aggregate, train."""
