"""Target `delta`: Delta tables over published Parquet files."""
