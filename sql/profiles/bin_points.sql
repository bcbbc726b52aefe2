-- Fills: scratch bin_points(point_id, weight, component, <feature columns>, bin): the points of some bins, and as
-- the bin :sampled those that were sampled for the silhouettes.
-- Reads: points, medoid_bins, silhouette_bins
-- Parameters: :sampled, :first, :last, numbers of bins; a statement writes at most 100 of them
WITH bins AS (
    SELECT point_id, component, bin
    FROM medoid_bins
    UNION ALL
    SELECT point_id, component, :sampled AS bin
    FROM silhouette_bins
)
{% include "shared/bin_points.jinja" %}
