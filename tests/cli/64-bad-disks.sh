#!/usr/bin/env bash
# Bad input, case by case: the tables are in tests/bad.  Then sources that change while they are read.
. "$(dirname "$0")/../functions.sh"
requires python3

# A sanitizer's shadow is not the program's memory.
limit=64
! grep -qE '__(asan|tsan)_init' "$VMLIFT" || limit=2000
mkdir cases
(cd cases && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$tests python3 "$tests/bad/run.py" "$VMLIFT" $limit) >cases.txt ||
    fail "$(grep -A 1 '^FAILED' cases.txt || cat cases.txt)"
grep -A 1 skipped cases.txt || true
tail -1 cases.txt

# The output goes to a pipe that nobody empties until the source is another: status 7, whatever has
# gone through the pipe before.  (The library's own test has outputs that are files.)
python3 - <<'PY'
import os, random, subprocess, sys
vmlift = os.environ["VMLIFT"]
data = random.Random(64).randbytes(4 << 20)

def changed(act, *words):
    with open("source.raw", "wb") as f:
        f.write(data)
    os.utime("source.raw", (1e9, 1e9))
    subprocess.run((vmlift, "convert", "--force", "source.raw", "disk.vmdk"), check=True)
    os.utime("disk.vmdk", (1e9, 1e9))
    p = subprocess.Popen((vmlift, "convert", *words, "-O", "raw", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.read(1)
    act(words[-1])
    p.stdout.read()
    said = p.stderr.read().decode()
    print(p.wait(), said.strip())
    assert p.returncode == 7 and f"vmlift: {words[-1]}: " in said and "[source/changed]" in said, (act, words)

def append(path):
    with open(path, "ab") as f:
        f.write(b"x")
def write(path):
    with open(path, "r+b") as f:
        f.write(b"K")
def cut(path):
    os.truncate(path, 1 << 20)
def replace(path):
    with open("other", "wb") as f:
        f.write(data)
    os.rename("other", path)
for act in append, write, cut, replace:
    changed(act, "source.raw")
for act in append, write, replace:
    changed(act, "disk.vmdk")
PY
