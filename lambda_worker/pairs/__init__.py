"""Search for near pairs: among points in blocks and on grids, sets, texts, and joined files."""
