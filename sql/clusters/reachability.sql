-- Fills: reachability(start, position, point_id, entities, reachability, core_distance, predecessor).
-- Reads: plot (the worker's plots of all bins; -1 is an undefined value)
SELECT
    CAST(plot.start AS BIGINT) AS start,
    CAST(plot.position AS BIGINT) AS position,
    CAST(plot.point_id AS BIGINT) AS point_id,
    CAST(plot.copies AS BIGINT) AS entities,
    CAST(CASE WHEN plot.reachability >= DOUBLE '0' THEN plot.reachability END AS DOUBLE) AS reachability,
    CAST(CASE WHEN plot.core_distance >= DOUBLE '0' THEN plot.core_distance END AS DOUBLE) AS core_distance,
    CAST(nullif(plot.predecessor, -1) AS BIGINT) AS predecessor
FROM plot
