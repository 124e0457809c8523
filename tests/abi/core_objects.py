#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves from its objects that the core has no state of its own and asks nothing of the system.

No object may have writable static data, and what the archive leaves undefined may only be the
few functions that move bytes, and malloc and free in the one file of the default allocator.
Before it judges the archive it judges planted objects, good and bad.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

BYTE_MOVERS = {"memcpy", "memmove", "memset", "memcmp"}
# Not a function: the linker's name for the table through which shared objects find addresses.
LINKER_NAMES = {"_GLOBAL_OFFSET_TABLE_"}
ALLOCATOR_OBJECT = "default_allocator.c.o"
ALLOCATORS = {"malloc", "free", "aligned_alloc", "posix_memalign"}

# Tables of addresses: written once by the loader, read-only from then on.
RELOCATED_CONSTANTS = ".data.rel.ro"

# Name, source, object name, and whether the check is to pass it.
PLANTED = [
    ("constants", "const int table[] = {1, 2};\nint read_it(int i);\n"
                  "int read_it(int i) { return table[i]; }", "clean.c.o", True),
    ("table of texts", "static const char *const names[] = {\"a\", \"b\"};\n"
                       "const char *name(int i);\nconst char *name(int i) { return names[i]; }",
     "clean.c.o", True),
    ("the allocator", "#include <stdlib.h>\nvoid *get(void);\nvoid *get(void) { return malloc(9); }",
     "base_default_allocator.c.o", True),
    ("zeroed static", "int count(void);\nint count(void) { static int n; return ++n; }",
     "bad.c.o", False),
    ("initialised static", "int count(void);\nint count(void) { static int n = 7; return ++n; }",
     "bad.c.o", False),
    ("common", "int shared;", "bad.c.o", False),
    ("thread-local", "int count(void);\nint count(void) { static _Thread_local int n; return ++n; }",
     "bad.c.o", False),
    ("constructor", "static void start(void) __attribute__((constructor));\n"
                    "static void start(void) { __asm__ volatile(\"\"); }\n"
                    "int x(void);\nint x(void) { return 0; }",
     "bad.c.o", False),
    ("clock", "#include <time.h>\ntime_t now(void);\ntime_t now(void) { return time(0); }",
     "bad.c.o", False),
    ("malloc elsewhere", "#include <stdlib.h>\nvoid *get(void);\nvoid *get(void) { return malloc(9); }",
     "bad.c.o", False),
    ("other call in the allocator", "#include <stdlib.h>\nint call(void);\n"
                                    "int call(void) { return system(\"\"); }",
     "base_default_allocator.c.o", False),
]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def writable_sections(archive):
    """Yields (object, section) for each section that the program could write to."""
    member = "?"
    for line in run("readelf", "--wide", "--section-headers", archive).splitlines():
        if line.startswith("File:"):
            member = re.search(r"\(?([^()/]+)\)?$", line).group(1)
        # [ n] name type address offset size entry-size flags ...
        found = re.match(r"\s*\[ *\d+\] (\S+) +(\S+) +\w+ \w+ (\w+) \w+ +([A-Za-z]+) ", line)
        if not found:
            continue
        section, _, size, flags = found.groups()
        if "W" in flags and "A" in flags and int(size, 16) > 0:
            if not section.startswith(RELOCATED_CONSTANTS):
                yield member, section


def symbols(archive):
    """Yields (object, symbol, type) for each global symbol, by nm's letters."""
    for line in run("nm", "-A", "-P", "-g", archive).splitlines():
        found = re.match(r".*\[([^\]]+)\]: (\S+) (\S)", line)
        if not found:
            raise SystemExit(f"cannot read this line of nm: {line}")
        yield found.groups()


def violations(archive):
    listed = list(symbols(archive))
    if not listed:
        yield f"{archive}: no symbols at all; is this the archive?"
    for member, section in writable_sections(archive):
        yield f"{member}: writable static data in {section}"
    defined = {symbol for _, symbol, kind in listed if kind not in "Uwv"}
    for member, symbol, kind in listed:
        if kind == "C":
            yield f"{member}: common symbol {symbol}"
        if kind not in "Uwv" or symbol in defined:
            continue
        allowed = BYTE_MOVERS | LINKER_NAMES
        if member.endswith(ALLOCATOR_OBJECT):
            allowed = allowed | ALLOCATORS
        if symbol not in allowed:
            yield f"{member}: needs {symbol} from outside the core"


def check_planted(compiler):
    for name, source, object_name, good in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            base = pathlib.Path(folder)
            (base / "planted.c").write_text(source)
            subprocess.run([*compiler, "-std=c11", "-O2", "-fPIC", "-fcommon", "-c", "planted.c",
                            "-o", object_name], cwd=base, check=True)
            subprocess.run(["ar", "rcs", "planted.a", object_name], cwd=base, check=True)
            found = list(violations(str(base / "planted.a")))
        if bool(found) == good:
            raise SystemExit(f"the check is broken: planted '{name}' gave {found}")
        print(f"planted '{name}': {found[0] if found else 'passes, as it should'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", help="libgroupcomm.a")
    parser.add_argument("--compiler", nargs="+", required=True)
    arguments = parser.parse_args()
    check_planted(arguments.compiler)
    found = list(violations(arguments.archive))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
