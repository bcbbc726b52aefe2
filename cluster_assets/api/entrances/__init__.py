"""Ways into the API: processes, containers and functions of several clouds."""
