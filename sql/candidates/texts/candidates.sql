-- Fills: candidates(point_a, point_b, distance) of texts at most :edits insertions, deletions and substitutions of code
-- points apart; with a former day, only of those pairs whose texts are not both kept from it.
-- Reads: points, lengths, kept (kept only with such a day)
-- Parameters: :edits, K
--
-- Proof that no pair is lost. Let x and y be texts with l = length(x) <= length(y) and distance <= K; then y is longer
-- by some `added` from 0 to K. `lengths` cuts every text of length l at the same positions, 0 = c(0) <= ... <= c(n) = l,
-- into n = K + m segments with m >= 0, some of them perhaps empty. The following holds for any cuts.
--   (1) Take a shortest way from x to y and put each edit into one segment it touches (an insertion into either one at
--       its place). A segment without an edit stands in y unchanged, moved by the insertions less the deletions before
--       it. There are e <= K edits.
--   (2) Leave out K segments so: for each edit the one it is in; if that is left out already, the next one to the right
--       that is not; if there is none, the next one to the left; when the edits are used up, any others. (Cars that
--       park on a line.) No edit passes over a segment that is not left out, so such a segment has no edit, and between
--       two of them, or one of them and an end, there are at most as many edits as segments left out there.
--   (3) So the m segments that stay are unchanged in y, in runs of neighbours. The first run has moved by at most as many
--       characters as segments are left out before it; from one run to the next the move changes by at most as many as
--       are left out between them; and from the last run to the end, where it is `added`, by those left out there.
-- `patterns` holds all choices of m segments, `moves` all such moves. So x is among `offered` and y among `asked` with
-- the same length, pattern and signature. Runs that would begin before y or end behind it can have no such move.
-- A signature joins the runs of one pattern and one l, whose widths are fixed, so equal ones have equal runs.
-- The distance: where the first segment stays it has not moved, where the last one stays it has moved by `added`, so x
-- and y then have these ends in common, and levenshtein(p || u || s, p || v || s) = levenshtein(u, v): a shortest way
-- may be chosen that leaves equal ends alone. So the rest alone is measured, the same number under every pattern.
-- Each pair once: DISTINCT, since a pair may meet under several patterns; of texts of one length the one with the lower
-- point id plays x.
-- Hot keys: `lengths` places the cuts where texts differ, and uses more segments if few do not suffice.
{% import "candidates/texts/segments.jinja" as segments %}
{% import "candidates/reuse/halves.jinja" as reuse %}
WITH texts AS (
    SELECT
        points.point_id,
        points.text,
        length(points.text) AS length
        {% if has_kept %}
        , kept.point_id IS NULL AS is_new
        {% endif %}
    FROM points
    {% if has_kept %}
    LEFT JOIN kept ON kept.point_id = points.point_id
    {% endif %}
),
spans AS (
    {{ segments.spans('lengths', rules, runs) }}
),
moves AS (
    {{ segments.moves(rules, runs) }}
),
offered AS (
    SELECT
        texts.point_id,
        texts.text,
        spans.length,
        spans.pattern,
        spans.head,
        spans.tail,
        {{ segments.signature(runs, false) }}
        AS signature
        {{ ', texts.is_new' if has_kept }}
    FROM texts
    JOIN spans ON spans.length = texts.length
),
asked AS (
    SELECT
        texts.point_id,
        texts.text,
        spans.length,
        spans.pattern,
        moves.added,
        {{ segments.signature(runs, true) }}
        AS signature
        {{ ', texts.is_new' if has_kept }}
    FROM spans
    JOIN moves ON moves.pattern = spans.pattern
    JOIN texts ON texts.length = spans.length + moves.added
    WHERE
        {{ segments.within(runs) }}
),
measured AS (
    {% for half in (reuse.new if has_kept else reuse.all) %}
    {{ 'UNION ALL' if loop.index0 }}
    SELECT
        a.point_id AS a_id,
        b.point_id AS b_id,
        levenshtein_distance(
            substr(a.text, a.head + 1, a.length - a.head - a.tail),
            substr(b.text, a.head + 1, a.length + b.added - a.head - a.tail)
        ) AS edits
    FROM offered AS a
    JOIN asked AS b ON b.length = a.length AND b.pattern = a.pattern AND b.signature = a.signature
    WHERE (b.added > 0 OR a.point_id < b.point_id){{ half }}
    {% endfor %}
),
near AS (
    SELECT DISTINCT
        CASE WHEN a_id < b_id THEN a_id ELSE b_id END AS point_a,
        CASE WHEN a_id < b_id THEN b_id ELSE a_id END AS point_b,
        edits
    FROM measured
    WHERE edits <= :edits
)
SELECT
    CAST(point_a AS BIGINT) AS point_a,
    CAST(point_b AS BIGINT) AS point_b,
    CAST(edits AS DOUBLE) AS distance
FROM near
