-- Fills: histograms(day, feature, bin, entities): the number of valid entities of the day by value, before scaling.
-- Reads: features
-- Parameters: :day, :is_valid
-- Bins do not depend on the data, so that days can be compared. Bins of numbers are three per cent wide, 32 for each
-- factor of e. Their edges e^((k - 1/2) / 32) are transcendental: no number in the data is within rounding error of
-- an edge, so engines whose ln differs in the last bit agree. The bin of a text is its length, that of a place its
-- cell of five degrees. Values of sets and categories that fewer than one entity in a thousand has are counted
-- together as '~'; other values have '=' before their name.
WITH valid AS (
    SELECT
        {% for name in columns %}
        {{ ', ' if not loop.first else '' }}"{{ name }}"
        {% endfor %}
    FROM features
    WHERE :is_valid
),
sizes AS (
    SELECT count(*) AS entities
    FROM valid
),
{% if numbers %}
arrays AS (
    SELECT ARRAY[{% for name in numbers %}{{ ', ' if not loop.first else '' }}"{{ name }}"{% endfor %}] AS numbers
    FROM valid
),
{% endif %}
measured AS (
    {% for name in embeddings %}
    SELECT
        concat('{{ name }}[', CAST(t.place AS VARCHAR), ']') AS feature,
        element_at(valid."{{ name }}", CAST(t.place AS INTEGER)) AS value
    FROM valid
    CROSS JOIN UNNEST(sequence(1, 32)) AS t (place)
    WHERE t.place <= cardinality(valid."{{ name }}")
    {% endfor %}
    {% if numbers %}
    SELECT
        element_at(ARRAY[{% for name in numbers %}{{ ', ' if not loop.first else '' }}'{{ name }}'{% endfor %}], CAST(t.place AS INTEGER)) AS feature,
        element_at(arrays.numbers, CAST(t.place AS INTEGER)) AS value
    FROM arrays
    CROSS JOIN UNNEST(sequence(1, {{ numbers | length }})) AS t (place)
    {% endif %}
    {% if not numbers and not embeddings %}
    SELECT
        '' AS feature,
        DOUBLE '0' AS value
    FROM valid
    WHERE 1 = 0
    {% endif %}
),
listed AS (
    SELECT
        feature,
        CAST(
            CAST(
                CASE
                    WHEN abs(value) < DOUBLE '1e-9' THEN DOUBLE '0'
                    WHEN value > 0 THEN floor(ln(value) * DOUBLE '32' + DOUBLE '0.5') + DOUBLE '1000'
                    ELSE - floor(ln(- value) * DOUBLE '32' + DOUBLE '0.5') - DOUBLE '1000'
                END AS BIGINT
            ) AS VARCHAR
        ) AS bin,
        FALSE AS is_name
    FROM measured
    {% for name in texts %}
    UNION ALL
    SELECT
        '{{ name }}' AS feature,
        CAST(length("{{ name }}") AS VARCHAR) AS bin,
        FALSE AS is_name
    FROM valid
    {% endfor %}
    {% for name in categories %}
    UNION ALL
    SELECT
        '{{ name }}' AS feature,
        "{{ name }}" AS bin,
        TRUE AS is_name
    FROM valid
    {% endfor %}
    {% for name in sets %}
    UNION ALL
    SELECT
        '{{ name }}' AS feature,
        t.token AS bin,
        TRUE AS is_name
    FROM valid
    CROSS JOIN UNNEST(valid."{{ name }}") AS t (token)
    {% endfor %}
    {% for name, latitude, longitude in places %}
    UNION ALL
    SELECT
        '{{ name }}' AS feature,
        concat(
            CAST(CAST(floor("{{ latitude }}" / DOUBLE '5') * DOUBLE '5' AS BIGINT) AS VARCHAR),
            ',',
            CAST(CAST(floor("{{ longitude }}" / DOUBLE '5') * DOUBLE '5' AS BIGINT) AS VARCHAR)
        ) AS bin,
        TRUE AS is_name
    FROM valid
    {% endfor %}
),
counted AS (
    SELECT
        feature,
        bin,
        is_name,
        count(*) AS entities
    FROM listed
    GROUP BY feature, bin, is_name
),
limited AS (
    SELECT
        counted.feature,
        CASE
            WHEN NOT counted.is_name THEN counted.bin
            WHEN counted.entities * 1000 >= sizes.entities THEN concat('=', counted.bin)
            ELSE '~'
        END AS bin,
        counted.entities
    FROM counted
    CROSS JOIN sizes
)
SELECT
    CAST(:day AS VARCHAR) AS day,
    CAST(feature AS VARCHAR) AS feature,
    CAST(bin AS VARCHAR) AS bin,
    CAST(sum(entities) AS BIGINT) AS entities
FROM limited
GROUP BY feature, bin
