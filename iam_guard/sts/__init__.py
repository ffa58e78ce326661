"""THE TOKEN SERVICE: roles are assumed here, for credentials that end by themselves.

A session is a signed token that says everything about itself, so whoever checks it looks nothing up.
"""
