"""Conditions: one operator applied to one key, compiled to a test of the context (language specification, 3)."""
