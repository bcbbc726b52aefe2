-- Fills: nothing; one row: the number of clusters by event, for the day and for the previous day.
-- Reads: lineage
WITH flags AS (
    SELECT
        cluster,
        event,
        previous_entities,
        CASE
            WHEN event = 'died' OR (evidence IS NOT NULL AND event <> 'reappeared') THEN 1
            ELSE 0
        END AS is_previous
    FROM lineage
)
SELECT
    CAST(count(cluster) AS BIGINT) AS clusters,
    {% for name in events %}
    CAST(count(CASE WHEN event = '{{ name }}' THEN 1 END) AS BIGINT) AS {{ name }},
    {% endfor %}
    CAST(coalesce(sum(is_previous), 0) AS BIGINT) AS previous_clusters,
    CAST(count(CASE WHEN is_previous = 1 AND event <> 'died' THEN 1 END) AS BIGINT) AS living_on,
    CAST(coalesce(sum(is_previous * previous_entities), 0) AS BIGINT) AS previous_entities,
    CAST(
        coalesce(sum(CASE WHEN is_previous = 1 AND event <> 'died' THEN previous_entities END), 0) AS BIGINT
    ) AS entities_living_on
FROM flags
