"""The SQL engine on Athena."""
