-- Fills: scratch blocks(point_id, <feature columns>, block): ranges of point ids, one per block.
-- Reads: points
-- Parameters: :size, the number of ids per block; :first and :last, the ids of this statement
-- All pairs of blocks are measured, including each block with itself: no pair is lost, and each is met once.
SELECT
    CAST(point_id AS BIGINT) AS point_id
    {% for name in columns %}
    , CAST({{ name }} AS {{ types[loop.index0] }}) AS {{ name }}
    {% endfor %}
    , CAST(point_id / :size AS BIGINT) AS block
FROM points
WHERE point_id BETWEEN :first AND :last
