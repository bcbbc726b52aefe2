"""Publications: tables of published days at targets that other teams read, one module a target."""
