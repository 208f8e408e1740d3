"""Legacy pickles and joblib files, read as data and converted to `.skops` files."""
