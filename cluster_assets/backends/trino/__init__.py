"""The SQL engine on a Trino server."""
