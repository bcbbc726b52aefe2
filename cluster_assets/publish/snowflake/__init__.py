"""Target `snowflake`: days copied to Snowflake tables, or Delta tables that Snowflake reads in place."""
