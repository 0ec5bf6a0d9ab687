"""Unpacks the CPU part of LibTorch: unpack_libtorch.py TARGET WHEEL...

TARGET gets include/ and lib/ and must not exist. Left out are include/google, which is another Protobuf than the system's,
and include/pybind11, which nothing here uses.
"""

import pathlib
import shutil
import sys
import zipfile

INCLUDE = "torch/include/"
NOT_INCLUDED = (INCLUDE + "google/", INCLUDE + "pybind11/")
LIBRARIES = {
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
}


def place(member: str):
    """Where a member of a wheel goes below TARGET, or None."""
    if member.startswith(INCLUDE) and not member.startswith(NOT_INCLUDED) and not member.endswith("/"):
        return member[len("torch/"):]
    if member in LIBRARIES:
        return "lib/" + member.rsplit("/", 1)[1]
    return None


def main(target: pathlib.Path, wheels: list) -> None:
    target.mkdir()
    missing = {*LIBRARIES, "torch/include/ATen/ATen.h"}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                where = place(member)
                if where is None:
                    continue
                path = target / where
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(path, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                missing.discard(member)
    if missing:
        sys.exit(f"unpack_libtorch.py: the wheels hold no {', '.join(sorted(missing))}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
