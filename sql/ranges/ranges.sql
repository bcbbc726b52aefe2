-- Fills: ranges(low0, width0, low1, width1, ...), one row: least value and range of each number of the day's points.
-- Reads: points
SELECT
    {% for name in numbers %}
    CAST(min("{{ name }}") AS DOUBLE) AS low{{ loop.index0 }},
    CAST(max("{{ name }}") - min("{{ name }}") AS DOUBLE) AS width{{ loop.index0 }}{{ '' if loop.last else ',' }}
    {% endfor %}
FROM points
