"""As much of JSON Schema (2020-12) as docs/protocol.schema.json speaks, and no more: what it does not know is an error."""

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
KNOWN = {"type", "const", "enum", "properties", "required", "additionalProperties", "items", "maxItems", "minimum", "maximum",
         "minLength", "maxLength", "format", "oneOf", "anyOf", "$ref"}


def is_type(name, value):
    if name == "null":
        return value is None
    return isinstance(value, TYPES[name]) and not (name == "integer" and isinstance(value, bool))


def errors(schema, value, root, path="$"):
    """What is wrong with a value."""
    unknown = set(schema) - KNOWN
    if unknown:
        raise ValueError(f"{path}: the schema says {unknown}, which is not known here")
    if "$ref" in schema:
        return errors(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root, path)
    for kind, wanted in (("oneOf", lambda n: n == 1), ("anyOf", lambda n: n > 0)):
        if kind in schema:
            found = [errors(one, value, root, path) for one in schema[kind]]
            if not wanted(sum(not one for one in found)):
                return [f"{path}: {value!r} is not as one of {len(found)}: {min(found, key=len)}"]
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(is_type(name, value) for name in names):
        return [f"{path}: {value!r} is no {names}"]
    wrong = []
    if "const" in schema and value != schema["const"]:
        wrong.append(f"{path}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{path}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            wrong.append(f"{path}: {len(value)} characters")
    if isinstance(value, int) and not isinstance(value, bool):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            wrong.append(f"{path}: {value} is out of its range")
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            wrong.append(f"{path}: {len(value)} items")
        for at, item in enumerate(value):
            wrong += errors(schema.get("items", {}), item, root, f"{path}[{at}]")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        wrong += [f"{path}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            if name in known:
                wrong += errors(known[name], member, root, f"{path}.{name}")
            elif schema.get("additionalProperties", True) is False:
                wrong.append(f"{path}: {name} is not known")
    return wrong
