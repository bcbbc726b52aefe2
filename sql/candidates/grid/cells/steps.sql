-- Fills: the part `steps` of other statements: from a cell to itself (the first) and to the half of its neighbours above it.
-- Reads: (no table)
SELECT
    {% for k in range(axes) %}
    s{{ k }},
    {% endfor %}
    same
FROM (
    VALUES
        {% for step in steps %}
        ({{ step | join(', ') }}, {{ 'FALSE' if loop.index0 else 'TRUE' }}){{ '' if loop.last else ',' }}
        {% endfor %}
) AS v ({% for k in range(axes) %}s{{ k }}, {% endfor %}same)
