"""``python -m iam_guard``."""

from iam_guard.cli.main import main

main()
