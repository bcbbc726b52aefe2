"""Days whose data has arrived: announced by a marker, requested once for each state of their inputs."""
