"""Pictures of a day for people, as SVG text in light and dark mode; equal facts give equal bytes.

They are drawn from small values (`facts`) and depend on neither SQL nor Dagster.
"""
