-- Fills: clusters(entity, point_id, cluster, role), and probability if the algorithm has one; one row for each valid entity of the day.
-- Reads: members, labels (the worker's labels of the points)
SELECT
    CAST(members.entity AS VARCHAR) AS entity,
    CAST(members.point_id AS BIGINT) AS point_id,
    CAST(labels.cluster AS BIGINT) AS cluster,
    CAST(labels.role AS VARCHAR) AS role
    {% if has_probability %}
    , CAST(labels.probability AS DOUBLE) AS probability
    {% endif %}
FROM members
JOIN labels ON labels.point_id = members.point_id
