"""What `doctor` examines: this machine, the settings and, on target aws, the account."""
