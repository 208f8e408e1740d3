"""Published pipelines: the two documents, built from the models and stored under a version."""
