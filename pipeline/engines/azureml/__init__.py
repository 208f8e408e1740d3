"""The engine for Azure Machine Learning: one pipeline job for each run."""
