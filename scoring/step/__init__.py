"""One step: readings and models in, predictions and an outcome out."""
