-- Fills: nothing; one row: the number of pairs of points that the routes will measure, from the sizes of their keys only.
-- Reads: points, ranges, tokens (ranges only if there are numbers, tokens only if sets are keys)
-- Parameters: :side0_0, ... of grid cells, :similarity0, ... as in candidates/mixed/candidates.sql
-- An upper bound: a pair may meet under several tokens or on several routes.
{% import "candidates/mixed/gower.jinja" as gower %}
WITH placed AS (
    {{ gower.placed(parts, false) }}
),
{% for route in routes %}
keys{{ route.number }} AS (
    {{ gower.keys(route, false) }}
),
sizes{{ route.number }} AS (
    SELECT
        count(*) AS points
        {{ gower.names(route) }}
    FROM keys{{ route.number }}
    {% if route.has_key %}
    GROUP BY {{ gower.names(route).strip()[1:] }}
    {% endif %}
),
steps{{ route.number }} AS (
    {{ gower.steps(route) }}
),
reaching{{ route.number }} AS (
    {{ gower.reaching('sizes' ~ route.number, 'steps' ~ route.number, route, ('points',)) }}
),
{% endfor %}
compared AS (
    {% for route in routes %}
    {{ 'UNION ALL' if loop.index0 }}
    SELECT sum(CASE WHEN a.same THEN a.points * (a.points - 1) / 2 ELSE a.points * b.points END) AS comparisons
    FROM reaching{{ route.number }} AS a
    JOIN sizes{{ route.number }} AS b ON {{ gower.meet(route) }}
    {% endfor %}
)
SELECT CAST(coalesce(sum(comparisons), 0) AS BIGINT) AS comparisons
FROM compared
