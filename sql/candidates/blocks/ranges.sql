-- Fills: scratch blocks(point_id, <feature columns>, is_kept, block): ranges of point ids, one per block. `is_kept`, 1 or 0,
-- is whether a point is kept from a former day; without such a day there is no such column.
-- Reads: points, kept (kept only with such a day)
-- Parameters: :size, the number of ids per block; :first and :last, the ids of this statement
-- All pairs of blocks are measured, including each block with itself: no pair is lost, and each is met once.
SELECT
    CAST(points.point_id AS BIGINT) AS point_id
    {% for name in columns %}
    , CAST(points.{{ name }} AS {{ types[loop.index0] }}) AS {{ name }}
    {% endfor %}
    {% if has_kept %}
    , CAST(CASE WHEN kept.point_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_kept
    {% endif %}
    , CAST(points.point_id / :size AS BIGINT) AS block
FROM points
{% if has_kept %}
LEFT JOIN kept ON kept.point_id = points.point_id
{% endif %}
WHERE points.point_id BETWEEN :first AND :last
