"""``iam-guard schema``: what may stand in a settings file, for editors."""

from __future__ import annotations

from iam_guard.cli.output import print_json

EXAMPLES = ("iam-guard schema > iam-guard.schema.json",)


def schema() -> None:
    """Print the JSON Schema of iam-guard.yaml.

    With it an editor completes settings, tells what they mean and marks what
    is none. A line "# yaml-language-server: $schema=iam-guard.schema.json" at
    the top of the file names it to most of them.
    """
    from iam_guard.config.json_schema import settings_schema  # it brings a web client along

    print_json(settings_schema())
