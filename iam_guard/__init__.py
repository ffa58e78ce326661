"""AWS IAM for your own services: the policy language, evaluated exactly and in process."""
