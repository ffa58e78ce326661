"""Requests signed with AWS Signature Version 4: who signed them, and that nothing was changed since.

    request -> claim -> clock -> key -> canonical request -> signature -> body -> replay window -> principal

Source: "AWS Signature Version 4 for API requests" in the IAM user guide, and the S3 API reference for payloads.
"""
