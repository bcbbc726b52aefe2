"""The worker's tables: one reader, one writer, and the columns of each."""
