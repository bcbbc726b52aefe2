"""Stage `raw`: the source rows of a day."""
