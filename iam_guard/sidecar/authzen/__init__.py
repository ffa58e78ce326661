"""AuthZEN: the OpenID Authorization API 1.0, asked by programs that enforce decisions themselves."""
