"""The house rules that a program can check: house.py RULE ROOT prints every breach below ROOT and fails if there is one.

  include_arrows   who may include whom (docs/design.md, "Layout"), and which libraries a folder may know
  include_guards   every header has the include guard ZCBENCH_PATH_H_
  text             the files speak of the project alone: no path of somebody's machine, no link that leads nowhere

Files are those that git tracks or would add; where ROOT is no repository, all of them but build/.
"""

import functools
import pathlib
import re
import subprocess
import sys

# The libraries that matter for who may know what. Everything else (the standard library, POSIX, Abseil, ...) is free.
LIBRARIES = {
    "torch": re.compile(r"(torch|ATen|c10|caffe2)/"),
    "grpc": re.compile(r"grpc(pp)?/|.*\.grpc\.pb\.h$"),
    "protobuf": re.compile(r"google/protobuf/|zcbench/v1/.*\.pb\.h$"),
    "sqlite": re.compile(r"sqlite3\.h$"),
    "images": re.compile(r"(jpeglib|png|turbojpeg)\.h$"),
    "cli11": re.compile(r"CLI/"),
    "prometheus": re.compile(r"prometheus/"),
}

# folder: (folders that its files may include, libraries that they may include). A file belongs to the longest folder that
# holds it. What is not listed here is not a code folder.
ENGINE = ["base", "nas", "nas/data", "worker/models", "worker/passes", "worker/proxies"]
FOLDERS = {
    "base": (["base"], []),
    "base/metrics_page": (["base", "base/metrics_page"], ["prometheus"]),
    "nas": (["base", "nas", "nas/data"], []),
    "nas/data": (["base", "nas", "nas/data"], ["images"]),
    "proto": (["base", "proto"], ["grpc", "protobuf"]),
    "db": (["base", "nas", "nas/data", "db"], []),
    "db/sqlite": (["base", "nas", "nas/data", "db", "db/sqlite"], ["sqlite"]),
    "server": (["base", "base/metrics_page", "nas", "nas/data", "db", "db/sqlite", "proto", "server"], ["grpc", "protobuf", "cli11"]),
    "worker/models": (ENGINE[:4], ["torch"]),
    "worker/passes": (ENGINE[:5], ["torch"]),
    "worker/proxies": (ENGINE, ["torch"]),
    "worker/agent": (["base", "base/metrics_page", "nas", "nas/data", "proto", "worker", "worker/agent"], ["grpc", "protobuf", "cli11"]),
    "worker": (ENGINE + ["proto", "worker", "worker/agent"], ["torch", "grpc", "protobuf", "cli11"]),
    "client": (["base", "nas", "nas/data", "proto", "client"], ["grpc", "protobuf", "cli11"]),
}
FOLDERS["tests"] = ([*FOLDERS, "tests"], [*LIBRARIES])  # what crosses a library may know all of them

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:work|root|home/\w+)/|/tmp/[b]ash|\.\./shared\b")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")  # of Markdown, to a file
# What runs the tests may look for data beside the checkout, and nothing else may.
MAY_LOOK_BESIDE = {".ci/run"}


def files(root: pathlib.Path):
    """Paths relative to root, with /, sorted."""
    inside = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if inside.returncode == 0:
        paths = [p for p in inside.stdout.decode().split("\0") if p]
    else:
        paths = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.relative_to(root).parts[0] != "build"]
    return sorted({p for p in paths if (root / p).is_file()})


def sources(root: pathlib.Path):
    return [p for p in files(root) if p.endswith((".h", ".cc"))]


def folder_of(path: str):
    """The longest entry of FOLDERS that holds the path, or None."""
    parts = path.split("/")[:-1]
    while parts:
        if "/".join(parts) in FOLDERS:
            return "/".join(parts)
        parts.pop()
    return None


def library_of(include: str):
    return next((name for name, pattern in LIBRARIES.items() if pattern.match(include)), None)


def include_arrows(root: pathlib.Path):
    includes = {}  # path -> [(line, quote, text)]
    for path in sources(root):
        text = (root / path).read_text()
        includes[path] = [(text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in INCLUDE.finditer(text)]
    ours = {path.split("/")[0] for path in includes}

    for path, found in includes.items():
        folder = folder_of(path)
        if folder is None:
            yield f"{path}: not in a folder that tests/house/house.py knows; add it to FOLDERS and docs/design.md"
            continue
        may_include, may_know = FOLDERS[folder]
        for line, quote, text in found:
            where = f"{path}:{line}: "
            library = library_of(text)
            if text == "torch/torch.h":
                yield f"{where}torch/torch.h takes 18 s a file; include ATen/ATen.h and what is needed of torch/csrc/autograd"
            elif library is not None:
                if library not in may_know:
                    yield f"{where}{folder} must not know {library} ({text})"
            elif text in includes:
                target = folder_of(text)
                if target is not None and target not in may_include:
                    yield f"{where}{folder} must not include {target} ({text})"
            elif quote == '"' and (text.split("/")[0] in ours or "/" not in text):
                yield f"{where}{text} is no header; an include is the path from the root of the sources"

    # LibTorch and Protobuf never meet in one translation unit, so follow our own headers.
    @functools.lru_cache(maxsize=None)
    def knows(path: str):
        """Library -> the chain of files by which the file comes to know it."""
        known = {}
        for _, _, text in includes[path]:
            library = library_of(text)
            if library == "grpc":
                library = "protobuf"
            if library is not None:
                known.setdefault(library, (path, text))
            elif text in includes and text != path:
                for name, chain in knows(text).items():
                    known.setdefault(name, (path, *chain))
        return known

    for path in includes:
        known = knows(path)
        if path.endswith(".cc") and "torch" in known and "protobuf" in known:
            yield f"{path}: sees LibTorch ({' > '.join(known['torch'])}) and Protobuf ({' > '.join(known['protobuf'])})"


def include_guards(root: pathlib.Path):
    for path in sources(root):
        if not path.endswith(".h"):
            continue
        guard = "ZCBENCH_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"
        text = (root / path).read_text()
        first = re.search(r"^#.*\n#.*$", text, re.MULTILINE)
        if first is None or first[0] != f"#ifndef {guard}\n#define {guard}":
            yield f"{path}: the first directives must be #ifndef and #define {guard}"
        elif not text.endswith(f"#endif  // {guard}\n"):
            yield f"{path}: the last line must be `#endif  // {guard}`"


def text(root: pathlib.Path):
    for path in files(root):
        try:
            content = (root / path).read_text()
        except UnicodeDecodeError:
            continue  # an image or other data
        for number, line in enumerate(content.splitlines(), 1):
            found = MACHINE_PATH.search(line)
            if found and not (path in MAY_LOOK_BESIDE and found[0].startswith("..")):
                yield f"{path}:{number}: a path of one machine: {found[0]}"
            for target in LINK.findall(line) if path.endswith(".md") else []:
                if not (root / path).parent.joinpath(target).exists():
                    yield f"{path}:{number}: a link to {target}, which is not there"


RULES = {"include_arrows": include_arrows, "include_guards": include_guards, "text": text}


def main(arguments: list) -> int:
    if len(arguments) != 2 or arguments[0] not in RULES:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[1])
    if not any(files(root)):
        print(f"house.py: no files below {root}", file=sys.stderr)
        return 2
    breaches = list(RULES[arguments[0]](root))
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
