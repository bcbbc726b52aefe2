"""What all parts on AWS share: clients, faults and how long to try again, types of the Glue catalog."""
