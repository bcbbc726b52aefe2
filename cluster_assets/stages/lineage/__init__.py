"""Stage `lineage`: stable cluster ids from day to day."""
