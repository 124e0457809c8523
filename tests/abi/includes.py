#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks who includes whom: base <- {paxos, membership, certify, flowctl} <- group, and nobody
but src/posix itself includes src/posix. Before it judges the tree it judges planted lines.
"""
import argparse
import pathlib
import re
import sys

MIDDLE = ["paxos", "membership", "certify", "flowctl"]
MAY_INCLUDE = {
    "base": {"base"},
    **{folder: {folder, "base"} for folder in MIDDLE},
    "group": {"group", "base", *MIDDLE},
    "posix": {"posix", "base"},
}
# All that the core takes from the C library; the objects prove that hardly any of it is called.
# emmintrin.h is the compiler's: instructions, no calls.
CORE_SYSTEM = {"emmintrin.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
PUBLIC_SYSTEM = {"stdbool.h", "stddef.h", "stdint.h"}
ALLOCATOR = "src/base/default_allocator.c"

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>|(.*))')

# Path, line, and whether the check is to pass it.
PLANTED = [
    ("src/paxos/log.c", '#include "base/ring.h"', True),
    ("src/group/group.c", '#include "paxos/log.h"', True),
    ("src/posix/loop.c", "#include <sys/epoll.h>", True),
    (ALLOCATOR, "#include <stdlib.h>", True),
    ("src/base/ring.h", '#include "paxos/log.h"', False),
    ("src/paxos/log.c", '#include "membership/view.h"', False),
    ("src/certify/table.c", '#include "paxos/log.h"', False),
    ("src/paxos/log.c", '#include "group/group.h"', False),
    ("src/group/group.c", '#include "posix/loop.h"', False),
    ("src/posix/loop.c", '#include "paxos/log.h"', False),
    ("src/paxos/log.c", '#  include "../group/group.h"', False),
    ("src/paxos/log.c", '#include "log.h"', False),
    ("src/paxos/log.c", "#include <time.h>", False),
    ("src/paxos/log.c", "#include <stdlib.h>", False),
    ("src/paxos/log.c", "#include <gr/posix.h>", False),
    ("src/paxos/log.c", "#include SOME_MACRO", False),
    ("include/gr/group.h", '#include "base/ring.h"', False),
    ("include/gr/group.h", "#include <stdio.h>", False),
    ("examples/minimal/minimal.c", '#include "base/ring.h"', False),
    ("src/novel/novel.c", '#include "base/ring.h"', False),
]


def refusal_in_source(path, quoted, angled):
    folder = path.split("/")[1]
    if folder not in MAY_INCLUDE:
        return f"the folder src/{folder} has no rule"
    if quoted is not None:
        target = quoted.split("/")[0] if "/" in quoted else ""
        if target not in MAY_INCLUDE[folder]:
            return f'src/{folder} may not include "{quoted}"'
    elif folder != "posix":
        if angled == "gr/posix.h":
            return "the core does not know its hosts"
        if not angled.startswith("gr/") and angled not in CORE_SYSTEM:
            if (path, angled) != (ALLOCATOR, "stdlib.h"):
                return f"the core may not include <{angled}>"
    return None


def refusal(path, line):
    """Why `line` may not stand in `path`; None if it may, or includes nothing."""
    found = INCLUDE.match(line)
    if not found:
        return None
    quoted, angled, other = found.groups()
    if other is not None:
        return f"an include that cannot be read: {other}"
    if path.startswith("src/"):
        return refusal_in_source(path, quoted, angled)
    if path.startswith("include/"):
        if quoted is not None or not (angled.startswith("gr/") or angled in PUBLIC_SYSTEM):
            return f"a public header may not include {quoted or angled}"
    elif quoted is not None and quoted.split("/")[0] in MAY_INCLUDE:
        return "an example uses public headers only"
    return None


def check_planted():
    for path, line, good in PLANTED:
        reason = refusal(path, line)
        if (reason is None) != good:
            raise SystemExit(f"the check is broken: planted {line} in {path}: {reason}")
        print(f"planted {line} in {path}: {reason or 'passes, as it should'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=pathlib.Path, help="top of the source tree")
    root = parser.parse_args().root
    check_planted()
    files = [path for folder in ("src", "include", "examples")
             for path in sorted((root / folder).rglob("*.[ch]"))]
    if not files:
        raise SystemExit(f"{root}: no sources; is this the tree?")
    failures = 0
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            reason = refusal(str(path.relative_to(root)), line)
            if reason:
                print(f"{path.relative_to(root)}:{number}: {reason}", file=sys.stderr)
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
