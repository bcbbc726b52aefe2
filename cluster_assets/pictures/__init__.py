"""Pictures of a day for people: light, readable, safe for the colour-blind; equal facts give equal bytes.

They are drawn from small facts (`facts`), whoever gathered them, and know neither SQL nor Dagster. Only the
modules that draw import matplotlib, which takes half a second to load.
"""
