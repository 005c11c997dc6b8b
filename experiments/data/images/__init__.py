"""Images of your own: a folder, a parquet file, arrays of codes, a set of TFDS."""
