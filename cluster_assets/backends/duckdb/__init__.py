"""The SQL engine on DuckDB, the reference for the meaning of the statements."""
