"""``usersyncd schema``: the JSON Schema of the configuration file, for editors."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON Schema of the configuration file, with the options of every installed connector.

    Save it beside the configuration (usersyncd schema > config.schema.json) and begin the configuration with the line
    "# yaml-language-server: $schema=config.schema.json": editors then complete and explain every key.
    """
    from usersyncd.cli.common import print_json
    from usersyncd.config.schema import json_schema

    print_json(json_schema())
