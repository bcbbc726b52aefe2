-- Fills: the part `boxes` of other statements: the smallest box around the core points of each cell.
-- Reads: core_points
SELECT
    cell
    {% for name in axis_columns %}
    , min({{ name }}) AS low_{{ name }}
    , max({{ name }}) AS high_{{ name }}
    {% endfor %}
FROM core_points
GROUP BY cell
