"""Reading of sources with DuckDB: Parquet, CSV and JSON files, and tables."""
