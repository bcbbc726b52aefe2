-- Fills: lengths(length, rule, cuts, comparisons), one row for each length of a text: the cuts of texts of that length
-- into segments, by which they meet texts of equal or greater length, and the number of comparisons.
-- Reads: points
-- Parameters: :edits, :many (comparisons per text above which a better rule is tried)
-- No choice loses a pair (candidates/texts/candidates.sql); only the time depends on it.
-- Cuts are placed so that all segments distinguish texts of the length equally well. The weight of a position is the
-- chance that two texts differ there, estimated from about 32 texts; so a part that all share (a prefix, the name of a
-- browser) adds nothing to a segment, and no segment is the same in all texts.
-- The rules: 0 compares all texts of near lengths; 1 requires few intact segments; 2 requires more, which gives more
-- keys that fewer texts share. Each length uses the rule with the fewest comparisons; rule 2 is tried only if rule 1
-- has many.
{% import "candidates/texts/segments.jinja" as segments %}
WITH texts AS (
    SELECT
        point_id,
        text,
        length(text) AS length
    FROM points
),
sizes AS (
    SELECT
        length,
        count(*) AS points
    FROM texts
    GROUP BY length
),
windows AS (
    SELECT
        a.length,
        sum(b.points) AS points,
        sum(CASE WHEN a.length = b.length THEN a.points * (a.points - 1) / 2 ELSE a.points * b.points END) AS comparisons
    FROM sizes AS a
    JOIN sizes AS b ON b.length BETWEEN a.length AND a.length + :edits
    GROUP BY a.length
),
letters AS (
    SELECT
        texts.length,
        t.position,
        substr(texts.text, t.position, 1) AS letter,
        count(*) AS times
    FROM texts
    JOIN sizes ON sizes.length = texts.length
    CROSS JOIN UNNEST(sequence(1, greatest(texts.length, 1))) AS t (position)
    WHERE texts.point_id % (1 + sizes.points / 32) = 0
    GROUP BY 1, 2, 3
),
telling AS (
    SELECT
        length,
        position,
        1 + sum(times) * sum(times) - sum(times * times) AS weight
    FROM letters
    GROUP BY length, position
),
totals AS (
    SELECT
        length,
        sum(weight) AS total
    FROM telling
    GROUP BY length
),
shares AS (
    SELECT
        telling.length,
        sum(telling.weight) OVER (PARTITION BY telling.length ORDER BY telling.position) AS up_to_here,
        totals.total
    FROM telling
    JOIN totals ON totals.length = telling.length
),
rules AS (
    SELECT
        rule,
        segments
    FROM (
        VALUES
            {% for rule in rules %}
            ({{ rule.number }}, {{ rule.segments }}){{ '' if loop.last else ',' }}
            {% endfor %}
    ) AS v (rule, segments)
),
positions AS (
    SELECT
        sizes.length,
        rules.rule,
        t.cut,
        CASE
            WHEN t.cut = rules.segments THEN sizes.length
            WHEN count(shares.total) = 0 THEN t.cut * sizes.length / rules.segments  -- no text was sampled
            ELSE least(
                sizes.length,
                count(CASE WHEN shares.up_to_here * rules.segments <= t.cut * shares.total THEN 1 END)
            )
        END AS position
    FROM sizes
    CROSS JOIN rules
    CROSS JOIN UNNEST(sequence(0, rules.segments)) AS t (cut)
    LEFT JOIN shares ON shares.length = sizes.length
    GROUP BY sizes.length, rules.rule, rules.segments, t.cut
),
cuttings AS (
    SELECT
        length,
        rule,
        array_agg(position ORDER BY cut) AS cuts
    FROM positions
    GROUP BY length, rule
),
{% if rules | length > 1 %}
{{ segments.counted('few', 'cuttings', rules[1], runs) }},
{% endif %}
{% if rules | length > 2 %}
crowded AS (
    SELECT
        cuttings.length,
        cuttings.rule,
        cuttings.cuts
    FROM cuttings
    JOIN windows ON windows.length = cuttings.length
    JOIN few ON few.length = cuttings.length
    WHERE few.comparisons > :many * windows.points
),
{{ segments.counted('more', 'crowded', rules[2], runs) }},
{% endif %}
counts AS (
    SELECT
        windows.length,
        windows.comparisons AS all_of_the_window,
        {{ 'coalesce(few.comparisons, 0)' if rules | length > 1 else 'windows.comparisons' }} AS with_few,
        {{ 'coalesce(more.comparisons, few.comparisons, 0)' if rules | length > 2 else 'windows.comparisons' }} AS with_more
    FROM windows
    {% if rules | length > 1 %}
    LEFT JOIN few ON few.length = windows.length
    {% endif %}
    {% if rules | length > 2 %}
    LEFT JOIN more ON more.length = windows.length
    {% endif %}
),
chosen AS (
    SELECT
        length,
        CASE
            WHEN all_of_the_window <= with_few AND all_of_the_window <= with_more THEN 0
            WHEN with_few <= with_more THEN 1
            ELSE 2
        END AS rule,
        CASE
            WHEN all_of_the_window <= with_few AND all_of_the_window <= with_more THEN all_of_the_window
            WHEN with_few <= with_more THEN with_few
            ELSE with_more
        END AS comparisons
    FROM counts
)
SELECT
    CAST(chosen.length AS BIGINT) AS length,
    CAST(chosen.rule AS BIGINT) AS rule,
    CAST(cuttings.cuts AS ARRAY(BIGINT)) AS cuts,
    CAST(chosen.comparisons AS BIGINT) AS comparisons
FROM chosen
JOIN cuttings ON cuttings.length = chosen.length AND cuttings.rule = chosen.rule
