"""What a caller could do about a denial: ask for a scope, or sign in more strongly.

A remedy is only told when it would help, so nothing is read off the policies: what they mention is tried, by
evaluating the same request as if the token had it. Nothing here allows anything.
"""
