"""CSV and JSON files read by Python's own modules: headers, and the places of faults."""
