#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the house rules that no compiler checks. Of src/: no float or double, functions of at
most 70 lines, files of at most 600, static variables const (or of one thread, in src/posix: the
objects prove that the core has none), no type named ..._t. Of everything: a licence line at the
top. Before it judges the tree it judges planted sources.
"""
import argparse
import pathlib
import re
import sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
LICENCE = "SPDX-License-Identifier: MIT"
FOLDERS = ["src", "include", "examples", "bench", "tests", "fuzz", "tools", ".ci"]
SUFFIXES = {"", ".c", ".h", ".cpp", ".py", ".sh", ".build", ".pml"}

HEAD = "/* " + LICENCE + " */\n"
# Source, and the words that the complaint must contain; None if there is to be none.
PLANTED = [
    (HEAD + "static const int table[] = {1};\nstatic int f(void) {\n  return 1;\n}\n", None),
    (HEAD + "static const char *const names[] = {\"float\"}; /* double */\n", None),
    (HEAD + "static _Thread_local int depth;\n", None),
    (HEAD + "static int f(int a,\n             int b) {\n" + "  a++;\n" * 60 + "}\n", None),
    (HEAD + "int f(void) {\n" + "  f();\n" * 69 + "}\n", "lines long"),
    (HEAD + "struct s f(int a,\n           int b) {\n" + "\n" * 69 + "}\n", "lines long"),
    (HEAD + "\n" * FILE_LINES_MAX, "file is"),
    (HEAD + "int f(void) {\n  return (int)0.5f * (float)1;\n}\n", "float"),
    (HEAD + "double ratio;\n", "double"),
    (HEAD + "static int count;\n", "static variable"),
    (HEAD + "static const char *name = \"x\";\n", "static variable"),
    (HEAD + "void f(void) {\n  static int count = 0;\n}\n", "static variable"),
    (HEAD + "static int (*callback)(int);\n", "static variable"),
    (HEAD + "typedef struct member member_t;\n", "_t"),
    (HEAD + "typedef struct {\n  int a;\n} member_t;\n", "_t"),
    ("int f(void);\n", "licence"),
]


def blank(found):
    """Spaces for what was found, with its line ends kept, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", found.group(0))


def without_comments_and_texts(source):
    pattern = r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, blank, source, flags=re.DOTALL)


def function_lengths(code):
    """Yields (line, length) of each function, signature included, in code as clang-format lays
    it out: it begins and ends at the margin."""
    start = None
    for number, line in enumerate(code.splitlines(), start=1):
        if re.match(r"[A-Za-z_]", line):
            start = number
        if start and line.rstrip() == "}":
            yield start, number - start + 1
            start = None


def is_function(declaration):
    return re.search(r"\w\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", declaration))


def mutable_statics(code):
    """Yields the line of each static variable that is not const."""
    for found in re.finditer(r"^[ \t]*static\b([^;={]*)([;={])", code, flags=re.MULTILINE):
        declaration = found.group(1)
        if "_Thread_local" in declaration:
            continue
        if is_function(declaration) and not re.search(r"\(\s*\*", declaration):
            continue
        if not re.search(r"\bconst\b", declaration.rsplit("*", 1)[-1]):
            yield code.count("\n", 0, found.start()) + 1


def complaints_about_code(source):
    code = without_comments_and_texts(source)
    for number, line in enumerate(code.splitlines(), start=1):
        for word in re.findall(r"\b(float|double)\b", line):
            yield number, f"{word}: results must be the same bit for bit on every machine"
    for found in re.finditer(r"\btypedef\b[^;{]*(?:\{[^}]*\}[^;]*)?\b\w+_t\s*;", code):
        yield code.count("\n", 0, found.start()) + 1, "type names ending in _t are the system's"
    for number in mutable_statics(code):
        yield number, "static variable that is not const"
    for number, length in function_lengths(code):
        if length > FUNCTION_LINES_MAX:
            yield number, f"function is {length} lines long; {FUNCTION_LINES_MAX} at most"
    length = source.count("\n")
    if length > FILE_LINES_MAX:
        yield 1, f"file is {length} lines long; {FILE_LINES_MAX} at most"


def complaints(source, is_library):
    if not any(LICENCE in line for line in source.splitlines()[:2]):
        yield 1, "no licence line at the top"
    if is_library:
        yield from complaints_about_code(source)


def check_planted():
    for source, words in PLANTED:
        found = [text for _, text in complaints(source, is_library=True)]
        if (len(found) > 0) != (words is not None) or (words and words not in found[0]):
            raise SystemExit(f"the check is broken: planted\n{source}\ngave {found}")
        print(f"planted: {found[0] if found else 'passes, as it should'}")


def sources(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                if "corpus" not in path.parts:
                    yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=pathlib.Path, help="top of the source tree")
    root = parser.parse_args().root
    check_planted()
    failures = 0
    count = 0
    for path in sources(root):
        count += 1
        name = path.relative_to(root)
        is_library = name.parts[0] == "src" and path.suffix in {".c", ".h"}
        for number, text in complaints(path.read_text(errors="replace"), is_library):
            print(f"{name}:{number}: {text}", file=sys.stderr)
            failures += 1
    if count == 0:
        raise SystemExit(f"{root}: no sources; is this the tree?")
    print(f"{count} files, {failures} complaints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
