"""Store, catalog and worker on AWS, with the clients and the faults that they share."""
