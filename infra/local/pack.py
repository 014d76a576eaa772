"""pack.py PROFILE FOLDER: target/PROFILE/<bin> -> FOLDER/<bin>/bootstrap(.zip), for each function."""
import filecmp
import os
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def pack(profile, target):
    """A zip per function, as `cargo lambda build --output-format zip` makes it. Unchanged binaries keep theirs."""
    built = Path("target") / profile
    binaries = [built / source.stem for source in sorted(Path("functions").glob("*/src/bin/*.rs"))]
    # What the benchmark compares the functions with.
    binaries += filter(Path.exists, [built / "examples" / "minimal"])
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda binary: pack_one(binary, Path(target) / binary.name), binaries))


def pack_one(binary, folder):
    archive, packed = folder / "bootstrap.zip", folder / "bootstrap"
    built = binary.stat().st_mtime
    # The zip carries its binary's time, so that one that `cargo lambda` left there is not taken for ours.
    if archive.exists() and archive.stat().st_mtime == built:
        return
    # An edit in `shared` links all of them anew, most to the same bytes.
    if not (archive.exists() and packed.exists() and filecmp.cmp(binary, packed, shallow=False)):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "bootstrap.zip.part"
        with zipfile.ZipFile(part, "w") as out:
            # A fixed date: the same binary makes the same zip, and is not deployed again.
            entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o755 << 16
            level = 1 if "debug" in binary.parts else 6
            out.writestr(entry, binary.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=level)
        # The binary last: an interrupted packing is done again.
        os.replace(part, archive)
        shutil.copy2(binary, packed)
    os.utime(archive, (built, built))


if __name__ == "__main__":
    pack(*sys.argv[1:])
