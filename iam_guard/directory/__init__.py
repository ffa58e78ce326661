"""Who exists and what they may: IAM's entities and operations, without a place to keep them."""
