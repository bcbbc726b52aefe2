-- Fills: scales(dimension, entities, center, spread): the median and the interquartile range of each dimension.
-- Reads: features
-- Parameters: :is_valid, :narrowest (a smaller spread counts as constant and becomes 1, as in scikit-learn)
-- The quartiles are exact, interpolated linearly between two neighbouring ranks as in numpy.
-- No window spans the values of a day, because a single Trino node would have to sort them. Values are counted in
-- 4096 ranges of each dimension; the counts show which ranges contain the quartiles, and only the distinct values of
-- these ranges are sorted.
-- Proof: the range of a value is a chain of sign, sqrt, minus, divide, times and floor, each correctly rounded and
-- therefore monotone. So a lower range contains only lower values, equal values share a range, and the rank of a
-- value is the count of the lower ranges plus its rank within its own. The choice of ranges affects only how much is
-- sorted: the fourth sqrt compresses large values, so that a heavy tail does not push all others into one range.
WITH listed AS (
    {% include 'points/scales/listed.sql' %}
),
rooted AS (
    SELECT
        dimension,
        value,
        CASE WHEN value < 0 THEN - sqrt(sqrt(sqrt(sqrt(abs(value))))) ELSE sqrt(sqrt(sqrt(sqrt(abs(value))))) END AS root
    FROM listed
),
ends AS (
    SELECT
        dimension,
        count(*) AS n,
        min(root) AS low,
        max(root) AS high
    FROM rooted
    GROUP BY dimension
),
ranged AS (
    SELECT
        rooted.dimension,
        rooted.value,
        ends.n,
        CASE
            WHEN ends.high > ends.low
                THEN CAST(
                    least(
                        floor((rooted.root - ends.low) / (ends.high - ends.low) * DOUBLE '4096'), DOUBLE '4095'
                    ) AS BIGINT
                )
            ELSE BIGINT '0'
        END AS range_number
    FROM rooted
    JOIN ends ON ends.dimension = rooted.dimension
),
counted AS (
    SELECT
        dimension,
        range_number,
        max(n) AS n,
        count(*) AS entities
    FROM ranged
    GROUP BY dimension, range_number
),
cumulated AS (
    SELECT
        dimension,
        range_number,
        n,
        entities,
        sum(entities) OVER (PARTITION BY dimension ORDER BY range_number) AS up_to
        {% for q in (1, 2, 3) %}
        -- Quartile {{ q }} is rest{{ q }} quarters of the way from rank{{ q }}, counted from 1, to the next rank.
        , mod({{ q }} * (n - 1), 4) AS rest{{ q }}
        , CAST(({{ q }} * (n - 1) - mod({{ q }} * (n - 1), 4)) / 4 + 1 AS BIGINT) AS rank{{ q }}
        {% endfor %}
    FROM counted
),
wanted AS (
    SELECT
        dimension,
        range_number,
        n,
        up_to - entities AS before
        {% for q in (1, 2, 3) %}
        , rest{{ q }}
        , rank{{ q }}
        {% endfor %}
    FROM cumulated
    WHERE
        {% for q in (1, 2, 3) %}
        {{ 'OR ' if not loop.first else '' }}(up_to >= rank{{ q }} AND up_to - entities <= rank{{ q }})
        {% endfor %}
),
inside AS (
    SELECT
        ranged.dimension,
        ranged.range_number,
        ranged.value,
        max(wanted.n) AS n,
        max(wanted.before) AS before,
        count(*) AS entities
        {% for q in (1, 2, 3) %}
        , max(wanted.rest{{ q }}) AS rest{{ q }}
        , max(wanted.rank{{ q }}) AS rank{{ q }}
        {% endfor %}
    FROM ranged
    JOIN wanted ON wanted.dimension = ranged.dimension AND wanted.range_number = ranged.range_number
    GROUP BY ranged.dimension, ranged.range_number, ranged.value
),
ranked AS (
    SELECT
        dimension,
        value,
        n,
        entities,
        before + sum(entities) OVER (PARTITION BY dimension, range_number ORDER BY value) AS up_to
        {% for q in (1, 2, 3) %}
        , rest{{ q }}
        , rank{{ q }}
        {% endfor %}
    FROM inside
),
neighbours AS (
    SELECT
        dimension,
        max(n) AS n
        {% for q in (1, 2, 3) %}
        , max(rest{{ q }}) AS rest{{ q }}
        , max(CASE WHEN up_to - entities < rank{{ q }} AND rank{{ q }} <= up_to THEN value END) AS low{{ q }}
        , max(CASE WHEN up_to - entities <= rank{{ q }} AND rank{{ q }} < up_to THEN value END) AS high{{ q }}
        {% endfor %}
    FROM ranked
    GROUP BY dimension
),
quartiles AS (
    SELECT
        dimension,
        n,
        CASE WHEN rest2 = 0 THEN low2 ELSE (low2 + high2) / DOUBLE '2' END AS median
        {% for q in (1, 3) %}
        , CASE rest{{ q }}
            WHEN 0 THEN low{{ q }}
            WHEN 1 THEN low{{ q }} + (high{{ q }} - low{{ q }}) * DOUBLE '0.25'
            WHEN 2 THEN high{{ q }} - (high{{ q }} - low{{ q }}) * DOUBLE '0.5'
            ELSE high{{ q }} - (high{{ q }} - low{{ q }}) * DOUBLE '0.25'
        END AS quartile{{ q }}
        {% endfor %}
    FROM neighbours
)
SELECT
    CAST(dimension AS BIGINT) AS dimension,
    CAST(n AS BIGINT) AS entities,
    CAST(median AS DOUBLE) AS center,
    CAST(
        CASE WHEN quartile3 - quartile1 < :narrowest THEN DOUBLE '1' ELSE quartile3 - quartile1 END AS DOUBLE
    ) AS spread
FROM quartiles
