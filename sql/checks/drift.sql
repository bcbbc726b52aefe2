-- Fills: nothing; one row for each feature and bin: the entities of the day, and of each of the days before it.
-- Reads: histograms, trailing (the histograms of the days before)
-- Parameters: :day0, :day1, ... (the days before, ascending)
WITH listed AS (
    SELECT
        feature,
        bin,
        entities AS today,
        {% for k in range(days) %}
        BIGINT '0' AS earlier{{ k }}{{ '' if loop.last else ',' }}
        {% endfor %}
    FROM histograms
    UNION ALL
    SELECT
        feature,
        bin,
        BIGINT '0' AS today,
        {% for k in range(days) %}
        CASE WHEN day = :day{{ k }} THEN entities ELSE BIGINT '0' END AS earlier{{ k }}{{ '' if loop.last else ',' }}
        {% endfor %}
    FROM trailing
)
SELECT
    CAST(feature AS VARCHAR) AS feature,
    CAST(bin AS VARCHAR) AS bin,
    CAST(sum(today) AS BIGINT) AS today,
    {% for k in range(days) %}
    CAST(sum(earlier{{ k }}) AS BIGINT) AS earlier{{ k }}{{ '' if loop.last else ',' }}
    {% endfor %}
FROM listed
GROUP BY feature, bin
ORDER BY feature, bin
