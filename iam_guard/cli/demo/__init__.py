"""The demonstration: a small orders service behind the guard, callers, and what becomes of their requests."""
