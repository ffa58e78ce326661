"""Directories in other forms: what AWS's ``GetAccountAuthorizationDetails`` answers, in and out."""
