-- Fills: nothing; one row for each table of a stage: name, rows.
-- Reads: points, members (or whichever tables the stage has filled)
{% for name in tables %}
{{ 'UNION ALL' if not loop.first else '' }}
SELECT
    CAST('{{ name }}' AS VARCHAR) AS name,
    CAST(count(*) AS BIGINT) AS "rows"
FROM {{ name }}
{% endfor %}
ORDER BY name
