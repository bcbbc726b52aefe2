"""Stage `clusters`: labels every entity from the candidate pairs, or from the points alone."""
