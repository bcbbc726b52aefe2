"""Stage `index`: the files that lookups and classification answer from."""
