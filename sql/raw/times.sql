-- Fills: nothing; one row about the texts of a time column: their number, minimum and maximum, and for each of some
-- formats the number of texts that it reads, and an example that it does not read.
-- Reads: raw
-- Parameters: :time (the text), :is_meant (condition of raw.where), :reads_0, :reads_1, …
-- (whether a format reads it)
SELECT
    CAST(count(:time) AS BIGINT) AS texts,
{% for number in range(formats) %}
    CAST(count(CASE WHEN :reads_{{ number }} THEN 1 END) AS BIGINT) AS fits_{{ number }},
    CAST(min(CASE WHEN NOT (:reads_{{ number }}) THEN :time END) AS VARCHAR) AS misfit_{{ number }},
{% endfor %}
    CAST(min(:time) AS VARCHAR) AS least,
    CAST(max(:time) AS VARCHAR) AS greatest
FROM raw
WHERE :is_meant
