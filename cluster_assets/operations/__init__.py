"""Operations on pipelines and days: runs, backfills, estimates, exports, summaries, diagnosis."""
