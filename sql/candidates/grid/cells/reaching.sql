-- Fills: the part `reaching` of other statements: each point with the cells in which to look for its neighbours.
-- Reads: located, steps
SELECT
    located.point_id,
    {% for name in carried %}
    located.{{ name }},
    {% endfor %}
    {% for k in range(axes) %}
    located.c{{ k }} + steps.s{{ k }} AS c{{ k }},
    {% endfor %}
    steps.same
FROM located
CROSS JOIN steps
