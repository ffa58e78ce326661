"""IAM's operations, a file for each family."""
