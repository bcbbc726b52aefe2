-- Fills: ranges(low0, width0, low1, width1, ...), one row: least value and range of each number of the day's points.
-- Reads: points
{% include "shared/ranges.jinja" %}
