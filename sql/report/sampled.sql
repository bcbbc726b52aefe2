-- Fills: nothing; a sample of the points with their cluster, for a picture.
-- Reads: points, clusters
-- Parameters: :step (by the point's cluster: about every step-th point is sampled)
-- The choice depends only on the point id: id * 48271 mod (2^31 - 1), the generator of Park and Miller, mixes the ids,
-- so that consecutive points are sampled independently.
-- Arrays are returned as text, which every engine supports.
WITH labelled AS (
    SELECT
        point_id,
        min(cluster) AS cluster
    FROM clusters
    GROUP BY point_id
)
SELECT
    CAST(points.point_id AS BIGINT) AS point_id,
    CAST(points.weight AS BIGINT) AS weight,
    CAST(labelled.cluster AS BIGINT) AS cluster
    {% for name, type in columns %}
    {% if type == 'array(double)' %}
    , CAST(array_join(transform(points.{{ name }}, x -> CAST(x AS VARCHAR)), ' ') AS VARCHAR) AS {{ name }}
    {% elif type == 'array(varchar)' %}
    , CAST(array_join(points.{{ name }}, chr(31)) AS VARCHAR) AS {{ name }}
    {% else %}
    , CAST(points.{{ name }} AS {{ type }}) AS {{ name }}
    {% endif %}
    {% endfor %}
FROM points
JOIN labelled ON labelled.point_id = points.point_id
WHERE points.point_id * 48271 % 2147483647 % :step = 0
ORDER BY points.point_id
