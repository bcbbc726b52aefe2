-- Fills: scratch bin_points(point_id, weight, component, <feature columns>, bin): the points of some bins.
-- Reads: points, bins
-- Parameters: :first, :last, numbers of bins; a statement writes at most 100 of them
{% include "shared/bin_points.jinja" %}
