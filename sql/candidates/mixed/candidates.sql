-- Fills: candidates(point_a, point_b, distance) within a threshold of Gower's distance of several features; with a former
-- day, only those pairs that are not both kept from it.
-- Reads: points, ranges, tokens, kept (ranges only if there are numbers, tokens only if sets are keys, kept only with such a day)
-- Parameters: :threshold, t; :weight0, :weight1, ...; :total, W, the weights added in the order of the YAML;
-- :side0_0, ... of grid cells, by route and axis; :similarity0, ... of prefixes, by route
--
-- The distance is (w0 * d0 + w1 * d1 + ...) / W in doubles, added in the order of the YAML, with d of
--   number: |x - y| / (range of the day), 0 where the range is 0;    category: 0 when equal, else 1;
--   set: (a + b - 2o) / (a + b - o) for a and b values, o in common;
--   text: edits / longer length in code points, 0 for two empty texts;
--   geo: 2 * asin(sqrt(r)) / pi with the reduced distance r of candidates/grid/candidates_haversine.sql, at most 1.
--
-- Proof that no pair is lost. Rounding is monotone and all terms are >= 0, so no term w * d exceeds the rounded sum.
-- With a relative error of 2^-53 for each of the few operations (and 2^-1074 where they underflow), a near pair has
--   (1) d <= c = (t * W / w) * (1 + 2^-40) + 2^-1060 / w for each feature, and
--   (2) d <= c = t * (1 + 2^-40) + 2^-1060 / (least w) for at least one of them: else the mean were larger.
-- The caller computes c in exact fractions and rounds up. Features with c < 1 by (1) are filters, and their keys together
-- make one route. If there is none, (2) with c < 1 makes a route of each feature, and each near pair is met on
-- one of them. If c >= 1 there too, the only route has no key, and all pairs meet. A key with c < 1 loses no pair:
--   category: d is 0 or 1, so near pairs are equal.
--   number: cells of u = (x - least) / range, between 0 and 1, of a side s = c * (1 + 2^-10) + 2^-40, rounded. u is off by
--     at most 2^-51; |x - y| / range <= c * (1 + 2^-50), so the u of near pairs differ by at most c * (1 + 2^-50) + 2^-50.
--     Quotients by s are at most 2^40 and off by 2^-12 at most, and only that large where c < 2^-40; so they differ by
--     less than 1, and neighbouring cells hold all near pairs.
--   geo: an angle of at most c * pi, a chord of at most 2 * sin(c * pi / 2): cells on the unit sphere, three axes, with
--     the slack of candidates/grid/candidates_haversine.sql, which has the rest of the proof. (asin and sqrt add 2^-50.)
--   text: edits >= the difference of the lengths l <= m, so l >= m * (1 - c'), c' = c + 2^-50, that is
--     ln(m) - ln(l) <= -ln(1 - c'): cells of ln(length), of a side -ln(1 - c') * (1 + 2^-10) + 2^-30. Logarithms are
--     below 7 and off by less than 2^-48, their quotients below 2^33. An empty text is near empty ones alone.
--   set: as in (2) of the proof for Jaccard, o >= s * max(a, b) and o >= 1 with s = (1 - c - 2^-50) * (1 - 2^-40). Order
--     all tokens. The first common token precedes the o - 1 others, so its position in a set of a tokens is
--     <= a - max(1, ceil(s * a)) + 1. In both sets it is among these first tokens, which are the keys.
-- Each pair once: of neighbouring cells the half above the own is looked up, within a cell a < b; DISTINCT, since a pair
-- may meet under several tokens or on several routes.
-- Hot keys: every filter narrows the key, up to three axes; the remaining comparisons are counted first.
{% import "candidates/mixed/gower.jinja" as gower %}
{% import "candidates/reuse/halves.jinja" as reuse %}
WITH placed AS (
    {{ gower.placed(parts, has_kept) }}
),
{% for route in routes %}
keys{{ route.number }} AS (
    {{ gower.keys(route, has_kept) }}
),
steps{{ route.number }} AS (
    {{ gower.steps(route) }}
),
reaching{{ route.number }} AS (
    {{ gower.reaching('keys' ~ route.number, 'steps' ~ route.number, route, ('point_id', 'is_new') if has_kept else ('point_id',)) }}
),
{% endfor %}
met AS (
    {% for route in routes %}
    {% set route_number = loop.index0 %}
    {% for half in (reuse.new if has_kept else reuse.all) %}
    {{ 'UNION ALL' if route_number or loop.index0 }}
    SELECT
        CASE WHEN a.point_id < b.point_id THEN a.point_id ELSE b.point_id END AS point_a,
        CASE WHEN a.point_id < b.point_id THEN b.point_id ELSE a.point_id END AS point_b
    FROM reaching{{ route.number }} AS a
    JOIN keys{{ route.number }} AS b ON {{ gower.meet(route) }}
    WHERE (NOT a.same OR a.point_id < b.point_id){{ half }}
    {% endfor %}
    {% endfor %}
),
pairs AS (
    SELECT DISTINCT
        point_a,
        point_b
    FROM met
),
prepared AS (
    SELECT
        pairs.point_a,
        pairs.point_b
        {% for part in parts %}
        {% if part.kind == 'number' %}
        , CASE WHEN a.w{{ part.k }} = 0 THEN DOUBLE '0' ELSE abs(a.v{{ part.k }} - b.v{{ part.k }}) / a.w{{ part.k }} END
        AS d{{ part.k }}
        {% elif part.kind == 'category' %}
        , CASE WHEN a.v{{ part.k }} = b.v{{ part.k }} THEN DOUBLE '0' ELSE DOUBLE '1' END AS d{{ part.k }}
        {% elif part.kind == 'set' %}
        , cardinality(a.v{{ part.k }}) + cardinality(b.v{{ part.k }}) AS both{{ part.k }}
        , cardinality(array_intersect(a.v{{ part.k }}, b.v{{ part.k }})) AS common{{ part.k }}
        {% elif part.kind == 'text' %}
        , levenshtein_distance(a.v{{ part.k }}, b.v{{ part.k }}) AS edits{{ part.k }}
        , greatest(length(a.v{{ part.k }}), length(b.v{{ part.k }})) AS longer{{ part.k }}
        {% else %}
        , sin(DOUBLE '0.5' * (a.v{{ part.k }}_latitude - b.v{{ part.k }}_latitude)) AS sin_latitude{{ part.k }}
        , sin(DOUBLE '0.5' * (a.v{{ part.k }}_longitude - b.v{{ part.k }}_longitude)) AS sin_longitude{{ part.k }}
        , cos(a.v{{ part.k }}_latitude) * cos(b.v{{ part.k }}_latitude) AS cosines{{ part.k }}
        {% endif %}
        {% endfor %}
    FROM pairs
    JOIN placed AS a ON a.point_id = pairs.point_a
    JOIN placed AS b ON b.point_id = pairs.point_b
),
reduced AS (
    SELECT
        point_a,
        point_b
        {% for part in parts %}
        {% if part.kind == 'set' %}
        , CAST(both{{ part.k }} - 2 * common{{ part.k }} AS DOUBLE)
        / CAST(both{{ part.k }} - common{{ part.k }} AS DOUBLE) AS d{{ part.k }}
        {% elif part.kind == 'text' %}
        , CAST(edits{{ part.k }} AS DOUBLE) / CAST(greatest(longer{{ part.k }}, 1) AS DOUBLE) AS d{{ part.k }}
        {% elif part.kind == 'geo' %}
        , sin_latitude{{ part.k }} * sin_latitude{{ part.k }}
        + cosines{{ part.k }} * sin_longitude{{ part.k }} * sin_longitude{{ part.k }} AS r{{ part.k }}
        {% else %}
        , d{{ part.k }}
        {% endif %}
        {% endfor %}
    FROM prepared
),
measured AS (
    SELECT
        point_a,
        point_b,
        (
        {% for part in parts %}
            {{ '+ ' if loop.index0 }}:weight{{ part.k }} *
            {% if part.kind == 'geo' %}
            (DOUBLE '2' * asin(CASE WHEN r{{ part.k }} < 1 THEN sqrt(r{{ part.k }}) ELSE DOUBLE '1' END) / pi())
            {% else %}
            d{{ part.k }}
            {% endif %}
        {% endfor %}
        ) / :total AS distance
    FROM reduced
)
SELECT
    CAST(point_a AS BIGINT) AS point_a,
    CAST(point_b AS BIGINT) AS point_b,
    CAST(distance AS DOUBLE) AS distance
FROM measured
WHERE distance <= :threshold
