-- Fills: scratch blocks(point_id, <feature columns>, block): ranges of point ids, a block each.
-- Reads: points
-- Parameters: :size, how many ids a block has; :first and :last, the ids of this statement
-- Every pair of blocks is measured, a block with itself too: no pair is lost, and each is met in one pair of blocks.
SELECT
    CAST(point_id AS BIGINT) AS point_id
    {% for name in columns %}
    , CAST({{ name }} AS {{ types[loop.index0] }}) AS {{ name }}
    {% endfor %}
    , CAST(point_id / :size AS BIGINT) AS block
FROM points
WHERE point_id BETWEEN :first AND :last
