"""Days whose data has arrived: a marker announces them, and each state of their inputs is requested once."""
