#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs into an empty folder, and then is a user who knows nothing but pkg-config: builds and
runs programs in C11 and C++17 against the shared and against the static libraries, and compiles
each installed header alone, all with warnings as errors.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# Source among the consumers, the package that it uses, and the languages that it is built as.
CONSUMERS = [
    ("core.c", "libgroupcomm", ["c"]),
    ("core.cpp", "libgroupcomm", ["c++"]),
    ("posix.c", "libgroupcomm-posix", ["c", "c++"]),
]
STANDARDS = {"c": "c11", "c++": "c++17"}


class Installation:
    """A root folder with what `meson install` put there."""

    def __init__(self, root):
        self.root = root
        folder = only(root.rglob("libgroupcomm.pc")).parent
        self.libraries = folder.parent
        self.headers = only(root.rglob("gr/gr.h")).parent
        self.pkg_config = dict(os.environ, PKG_CONFIG_LIBDIR=str(folder), PKG_CONFIG_PATH="",
                               PKG_CONFIG_SYSROOT_DIR=str(root))
        # The compiler's own folders are not the ones installed into: ask for every path.
        self.pkg_config.update(PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1", PKG_CONFIG_ALLOW_SYSTEM_LIBS="1")

    def flags(self, package, *options):
        return subprocess.run(["pkg-config", *options, package], check=True, text=True,
                              stdout=subprocess.PIPE, env=self.pkg_config).stdout.split()


def only(paths):
    found = list(paths)
    if len(found) != 1:
        raise SystemExit(f"expected one installed file, found {found}")
    return found[0]


def run(command, **options):
    command = [str(word) for word in command]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def check_headers(installed, source_headers, compilers, folder):
    names = sorted(path.name for path in installed.headers.iterdir())
    expected = sorted(path.name for path in source_headers.glob("*.h"))
    if names != expected:
        raise SystemExit(f"installed headers: {names}\nheaders of the source: {expected}")
    flags = installed.flags("libgroupcomm", "--cflags")
    for name in names:
        for language, compiler in compilers.items():
            source = folder / "header_alone.c"
            source.write_text(f"#include <gr/{name}>\n#include <gr/{name}>\nint main(void);\n"
                              "int main(void) { return 0; }\n")
            run([*compiler, "-x", language, f"-std={STANDARDS[language]}", *WARNINGS, *flags,
                 "-fsyntax-only", source])
    print(f"{len(names)} headers compile alone, as {' and '.join(STANDARDS.values())}")


def check_consumers(installed, kind, sources, compilers, folder):
    for name, package, languages in CONSUMERS:
        for language in languages:
            program = folder / f"{kind}-{name}-{language}"
            run([*compilers[language], "-x", language, f"-std={STANDARDS[language]}", *WARNINGS,
                 *installed.flags(package, "--cflags"), sources / name, "-x", "none",
                 *installed.flags(package, "--libs", *(["--static"] if kind == "static" else [])),
                 "-o", program])
            needed = run(["readelf", "--dynamic", program])
            if ("libgroupcomm" in needed) != (kind == "shared"):
                raise SystemExit(f"{program} is not linked with the {kind} library:\n{needed}")
            output = run([program], env=dict(os.environ, LD_LIBRARY_PATH=str(installed.libraries)))
            print(f"{kind}, {name} as {STANDARDS[language]}: {output.strip()}")


def check_that_failures_show(installed, compilers, folder):
    """A program that asks for what is not exported must not link."""
    source = folder / "planted.c"
    source.write_text("int gr_crc32c(void);\nint main(void) { return gr_crc32c(); }\n")
    try:
        run([*compilers["c"], source, *installed.flags("libgroupcomm", "--libs"), "-o",
             folder / "planted"])
    except SystemExit:
        print("planted: a program that uses an internal function does not link")
        return
    raise SystemExit("the check is broken, or gr_crc32c is exported")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--meson", required=True)
    parser.add_argument("--c", nargs="+", required=True)
    parser.add_argument("--cpp", nargs="+", required=True)
    arguments = parser.parse_args()
    compilers = {"c": arguments.c, "c++": arguments.cpp}
    consumers = arguments.source / "tests/abi/consumers"
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        run([arguments.meson, "install", "--no-rebuild", "-C", arguments.build, "--destdir",
             folder / "shared"])
        shared = Installation(folder / "shared")
        check_headers(shared, arguments.source / "include/gr", compilers, folder)
        check_consumers(shared, "shared", consumers, compilers, folder)
        check_that_failures_show(shared, compilers, folder)
        # Without the shared libraries there is only one way left to link.
        shutil.copytree(folder / "shared", folder / "static", symlinks=True)
        for library in (folder / "static").rglob("*.so*"):
            library.unlink()
        check_consumers(Installation(folder / "static"), "static", consumers, compilers, folder)


if __name__ == "__main__":
    sys.exit(main())
