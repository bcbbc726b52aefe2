"""Stage `points`: turns raw rows into weighted points."""
