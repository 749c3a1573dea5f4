"""schema.py ASSEMBLY FILE...: holds files of Terraform to a provider's schema.

The schema is what Terraform's provider told the CDK for Terraform, whose npm package of that provider has it as ASSEMBLY
(`.jsii`): each resource's arguments with their types, which are needed, and what it tells afterwards. Tells each argument that
there is not, each that is missing, each value of a wrong kind, and each reference to what is not declared or not told.
"""

import json
import re
import sys

import hcl2

# What Terraform itself takes in every block.
META = {"count", "for_each", "depends_on", "provider", "lifecycle", "connection", "provisioner", "timeouts"}
PRIMITIVES = {"string": str, "number": (int, float), "boolean": bool}


def pascal(snake):
    return "".join(part.capitalize() for part in snake.split("_"))


def camel(snake):
    name = pascal(snake)
    return name[:1].lower() + name[1:]


class Schema:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            assembly = json.load(file)
        self.name, self.types = assembly["name"], assembly["types"]
        self.provider = self.name.rsplit("provider-", 1)[1]

    def of(self, kind, name, suffix):
        """The type of a resource's arguments ("Config") or of the resource itself ("")."""
        short = name.removeprefix(self.provider + "_")
        full = "data_" + name if kind == "data" else short
        return self.types.get(f"{self.name}.{camel(full)}.{pascal(full)}{suffix}")

    def struct(self, kind):
        """The struct that a type is or has as its items; whether it is one of several."""
        if "fqn" in kind:
            return self.types.get(kind["fqn"])
        if "collection" in kind and kind["collection"]["kind"] == "array":
            return self.struct(kind["collection"]["elementtype"])
        if "union" in kind:
            return next(filter(None, map(self.struct, kind["union"]["types"])), None)
        return None

    def primitive(self, kind):
        """What values of a type are in Python; None: no matter."""
        if "primitive" in kind:
            return PRIMITIVES.get(kind["primitive"])
        if "union" in kind:
            return next(filter(None, map(self.primitive, kind["union"]["types"])), None)
        return None


class Check:
    def __init__(self, schema):
        self.schema, self.wrong = schema, []

    def block(self, where, struct, values):
        arguments = {p["name"]: p for p in struct.get("properties", [])}
        for name, value in values.items():
            if name in META and where.count(".") <= 2:
                continue
            argument = arguments.get(camel(name))
            if argument is None:
                self.wrong.append(f"{where}.{name}: there is no such argument")
                continue
            inner = self.schema.struct(argument["type"])
            if inner is not None and inner["kind"] == "interface":
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):
                        self.block(f"{where}.{name}", inner, item)
            kind = self.schema.primitive(argument["type"])
            is_expression = isinstance(value, str) and value.startswith("${")
            if kind is not None and not is_expression and not isinstance(value, kind):
                self.wrong.append(f"{where}.{name}: {value!r} is of another kind")
        for name, argument in arguments.items():
            if not argument.get("optional") and name not in map(camel, values):
                self.wrong.append(f"{where}: {name} is missing")

    def file(self, path):
        with open(path, encoding="utf-8") as file:
            read = hcl2.load(file)
        declared = {}
        for kind in ("resource", "data"):
            for block in read.get(kind, []):
                for name, named in block.items():
                    for label, values in named.items():
                        where = f"{kind}.{name}.{label}"
                        struct = self.schema.of(kind, name, "Config")
                        declared[(kind, name, label)] = self.schema.of(kind, name, "")
                        if struct is None:
                            self.wrong.append(f"{where}: {self.schema.provider} has no such {kind}")
                        else:
                            self.block(where, struct, values)
        variables = {name for block in read.get("variable", []) for name in block}
        self.references(json.dumps(read), declared, variables)

    def references(self, text, declared, variables):
        for name in set(re.findall(r"\bvar\.(\w+)", text)) - variables:
            self.wrong.append(f"var.{name} is not declared")
        pattern = rf"\b(data\.)?({self.schema.provider}_\w+)\.(\w+)\.(\w+)"
        for data, name, label, told in set(re.findall(pattern, text)):
            key = ("data" if data else "resource", name, label)
            what = f"{data}{name}.{label}"
            if key not in declared:
                self.wrong.append(f"{what} is not declared")
            elif declared[key] and camel(told) not in {p["name"] for p in declared[key].get("properties", [])} | {"id"}:
                self.wrong.append(f"{what} does not tell {told}")


def main(assembly, *paths):
    check = Check(Schema(assembly))
    for path in paths:
        check.file(path)
    print("\n".join(check.wrong), end="\n" if check.wrong else "")
    return 1 if check.wrong else 0


sys.exit(main(*sys.argv[1:]))
