#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that a shared library exports exactly the functions that its map lists, and that these
are exactly the functions that the public headers declare with GR_API. Before it judges the
library it judges planted differences.
"""
import argparse
import pathlib
import re
import subprocess
import sys


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def declared(headers):
    """The functions declared with GR_API; each declaration must be readable."""
    names = set()
    for header in headers:
        text = re.sub(r"^\s*#.*(?:\\\n.*)*", "", without_comments(header), flags=re.MULTILINE)
        for declaration in re.findall(r"\bGR_API\b([^;]*);", text):
            found = re.search(r"\b(gr_\w+)\s*\(", declaration)
            if not found:
                raise SystemExit(f"cannot read this declaration: GR_API{declaration}")
            names.add(found.group(1))
    return names


def mapped(text):
    """The names in the map's global part; nothing but exact names is allowed there."""
    found = re.search(r"global:(.*?)local:\s*\*\s*;", without_comments(text), flags=re.DOTALL)
    if not found:
        raise SystemExit("the map has no 'global: ... local: *;'")
    names = [name.strip() for name in found.group(1).split(";") if name.strip()]
    for name in names:
        if not re.fullmatch(r"\w+", name):
            raise SystemExit(f"the map is to list names, not patterns: {name}")
    return set(names)


def exported(nm_output):
    """The names that nm -D --defined-only lists, without the version's own symbol."""
    names = set()
    for line in nm_output.splitlines():
        name, kind = line.split()[:2]
        if kind != "A":
            names.add(name.split("@")[0])
    return names


def differences(declared_names, mapped_names, exported_names):
    pairs = [("declared", declared_names, "in the map", mapped_names),
             ("in the map", mapped_names, "exported", exported_names),
             ("exported", exported_names, "declared", declared_names)]
    for first, first_names, second, second_names in pairs:
        for name in sorted(first_names - second_names):
            yield f"{name} is {first} but not {second}"
        for name in sorted(second_names - first_names):
            yield f"{name} is {second} but not {first}"


def check_planted():
    header = ("#define GR_API x\n/* GR_API int gr_said(void); */\nGR_API int gr_a(void);\n"
              "GR_API const char *gr_b(int (*f)(void),\n  int x);\nint gr_internal(void);\n")
    names = declared([header])
    listed = mapped("V_0 {\n global:\n gr_a; gr_b;\n local:\n *;\n};\n")
    shown = exported("V_0 A 0\ngr_a@@V_0 T 10 5\ngr_b@@V_0 T 20 5\n")
    if list(differences(names, listed, shown)):
        raise SystemExit(f"the check is broken: {names}, {listed}, {shown} are equal")
    for planted in [(names | {"gr_c"}, listed, shown), (names, listed | {"gr_c"}, shown),
                    (names, listed, shown | {"gr_c"}), (names, listed, shown - {"gr_a"}),
                    (names, listed | {"gr_c"}, shown | {"gr_c"})]:
        found = list(differences(*planted))
        if not found:
            raise SystemExit(f"the check is broken: {planted} passes")
        print(f"planted: {found[0]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", help="the shared library")
    parser.add_argument("map", type=pathlib.Path)
    parser.add_argument("headers", type=pathlib.Path, nargs="+")
    arguments = parser.parse_args()
    check_planted()
    listing = subprocess.run(["nm", "-D", "-P", "--defined-only", arguments.library], check=True,
                             capture_output=True, text=True).stdout
    found = list(differences(declared([header.read_text() for header in arguments.headers]),
                             mapped(arguments.map.read_text()), exported(listing)))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
