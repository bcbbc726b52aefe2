-- Fills: bands(point_id, band, bucket): sets with equal buckets in a band are compared.
-- Reads: points
-- Source: Broder, "On the resemblance and containment of documents", 1997: in a random order of all tokens, two sets
-- have the same first token with a probability equal to their Jaccard similarity. A token is a number modulo the prime
-- 2^31 - 1, from its MD5; an order is that of c * number + d modulo the prime, with c and d from a table.
-- A bucket is the polynomial hash of a band's minima modulo the prime; an accidental agreement costs one comparison.
-- Nothing here depends on other points, so pairs of a sample are found exactly as among all points.
WITH numbered AS (
    SELECT
        points.point_id,
        from_base(substr(to_hex(md5(to_utf8(t.token))), 1, 15), 16) % 2147483647 AS number
    FROM points
    CROSS JOIN UNNEST(points.tokens) AS t (token)
),
orders AS (
    SELECT
        band
        {% for row in range(coefficients[0] | length) %}
        , c{{ row }}
        , d{{ row }}
        {% endfor %}
    FROM (
        VALUES
            {% for band in coefficients %}
            ({{ loop.index0 }}{% for c, d in band %}, {{ c }}, {{ d }}{% endfor %}){{ '' if loop.last else ',' }}
            {% endfor %}
    ) AS v (band{% for row in range(coefficients[0] | length) %}, c{{ row }}, d{{ row }}{% endfor %})
),
minima AS (
    SELECT
        numbered.point_id,
        orders.band
        {% for row in range(coefficients[0] | length) %}
        , min((orders.c{{ row }} * numbered.number + orders.d{{ row }}) % 2147483647) AS m{{ row }}
        {% endfor %}
    FROM numbered
    CROSS JOIN orders
    GROUP BY numbered.point_id, orders.band
)
SELECT
    CAST(point_id AS BIGINT) AS point_id,
    CAST(band AS BIGINT) AS band,
    CAST(
        {% for row in range(1, coefficients[0] | length) %}({% endfor %}m0
        {% for row in range(1, coefficients[0] | length) %}
        * 1000003 + m{{ row }}) % 2147483647
        {% endfor %}
        AS BIGINT
    ) AS bucket
FROM minima
