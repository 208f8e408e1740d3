"""Readings: files of CSV or Parquet in, batches of checked columns out."""
