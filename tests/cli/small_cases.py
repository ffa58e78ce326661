"""Cases and policies that are small enough to see through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def a_case(id: str = "one", action: str = "s3:GetObject", **more: Any) -> dict[str, Any]:
    """A case in which alice may get objects and nothing else."""
    policy = {"Version": "2012-10-17", "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject",
                                                      "Resource": "arn:aws:s3:::reports/*"}]}
    request = {"action": action, "resource": "arn:aws:s3:::reports/may", "resourceAccountId": "111122223333",
               "contextVariables": {}}
    return {"id": id, "principal": "arn:aws:iam::111122223333:user/alice", "identityPolicies": [policy],
            "request": request, **more}
