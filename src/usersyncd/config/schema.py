"""The JSON Schema of the configuration file (draft 2020-12), made from the models that validate it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from usersyncd import registry
from usersyncd.config.written import ConfigFile
from usersyncd.errors import PluginError

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema, with the options of each installed connector under ``options``. A connector that cannot be loaded
    accepts any options, because its own are unknown."""
    schema = _of(ConfigFile, "#/$defs/{model}")
    definitions = schema["$defs"]
    _add_options(definitions, "DirectorySection", "source", registry.source)
    _add_options(definitions, "TargetSection", "target", registry.target)
    return {"$schema": DIALECT, **schema}


def _of(model: type[BaseModel], references: str) -> dict[str, Any]:
    return model.model_json_schema(ref_template=references, schema_generator=_Generator)


def _add_options(definitions: dict[str, Any], section: str, kind: registry.Side, find: Callable[[str], Any]) -> None:
    names = registry.names(kind)
    definitions[section]["properties"]["connector"]["enum"] = names
    cases: list[dict[str, Any]] = []
    for name in names:
        try:
            options = _of(find(name).Options, f"#/$defs/{kind}.{name}.{{model}}")
        except PluginError:
            continue
        definitions |= {f"{kind}.{name}.{model}": one for model, one in options.pop("$defs", {}).items()}
        definitions[f"{kind}.{name}"] = options
        then: dict[str, Any] = {"properties": {"options": {"$ref": f"#/$defs/{kind}.{name}"}}}
        if options.get("required"):
            then["required"] = ["options"]
        cases.append({"if": {"properties": {"connector": {"const": name}}, "required": ["connector"]}, "then": then})
    if cases:
        definitions[section]["allOf"] = cases


class _Generator(GenerateJsonSchema):
    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        """Allow no other keys in a mapping whose keys have a pattern."""
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> dict[str, Any]:
        """Accept a lookup table with the keys file, key and value, which has both forms: use ``anyOf``, not
        ``oneOf``."""
        found = super().tagged_union_schema(schema)
        found["anyOf"] = found.pop("oneOf", found.get("anyOf", []))
        return found
