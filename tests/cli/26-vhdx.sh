#!/usr/bin/env bash
# VHDX as qemu-img and others write it, with its log and with parents.  What is damaged is in
# tests/bad/vhdx.py.
. "$(dirname "$0")/../functions.sh"
requires qemu-img qemu-io python3 jq
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$tests

# make_raw SIZE: in.raw, with data at its start, across blocks and in its last sector.
make_raw() {
    rm -f in.raw
    truncate -s "$1" in.raw
    head -c 70000 /dev/urandom | dd of=in.raw conv=notrunc status=none
    head -c 300000 /dev/urandom | dd of=in.raw conv=notrunc oflag=seek_bytes seek=$(($1 / 2 - 150000)) status=none
    head -c 512 /dev/urandom | dd of=in.raw conv=notrunc oflag=seek_bytes seek=$(($1 - 512)) status=none
}

# --- what qemu-img writes --------------------------------------------------------------------------

for size in 1048576 4194816 314573312; do
    make_raw $size
    for subformat in dynamic fixed; do
        for block in 1M 32M 256M; do
            qemu-img convert -f raw -O vhdx -o subformat=$subformat,block_size=$block in.raw in.vhdx
            qemu-img convert -f vhdx -O raw in.vhdx want.raw
            run "$VMLIFT" convert in.vhdx got.raw
            same want.raw got.raw
            run "$VMLIFT" check in.vhdx
            [ "$("$VMLIFT" info --json in.vhdx | jq -r '[.format, .subformat, .virtual_size] | join(" ")')" = \
                "vhdx $subformat $(stat -c %s want.raw)" ] || fail "info: $("$VMLIFT" info --json in.vhdx)"
            rm -f in.vhdx want.raw got.raw
        done
    done
done

# A block that is said to be zero, which qemu-img calls an extension of its own.
make_raw 8388608
qemu-img convert -f raw -O vhdx -o block_size=1M,block_state_zero=on in.raw zero.vhdx
run "$VMLIFT" compare in.raw zero.vhdx

# Large ones: nothing is taken for their size, and the table is read by pieces.
for tib in 2 64; do
    for block in 1M 256M; do
        qemu-img create -q -f vhdx -o block_size=$block $block.vhdx ${tib}T
        qemu-io -f vhdx -c "write -q -P 0x5a $((tib / 2))T 64k" -c "write -q -P 0xa5 $(((tib << 40) - 512)) 512" \
            $block.vhdx
        run "$VMLIFT" check $block.vhdx
    done
    run "$VMLIFT" compare 1M.vhdx 256M.vhdx
    [ "$("$VMLIFT" map --json 1M.vhdx | jq -c '[.[] | select(.data) | .start / 1048576 | floor]')" = \
        "[$((tib << 19)),$(((tib << 20) - 1))]" ] || fail "map: $("$VMLIFT" map 1M.vhdx)"
    qemu-io -f vhdx -c "write -q -P 0xa6 $(((tib << 40) - 512)) 512" 256M.vhdx
    expect 1 "" "$VMLIFT" compare 1M.vhdx 256M.vhdx
    if [ $tib = 2 ]; then
        truncate -s 2T huge.raw
        qemu-io -f raw -c "write -q -P 0x5a 1T 64k" -c "write -q -P 0xa5 $(((2 << 40) - 512)) 512" huge.raw
        run "$VMLIFT" compare huge.raw 1M.vhdx
        rm huge.raw
    fi
    rm 1M.vhdx 256M.vhdx
done

# --- the log ---------------------------------------------------------------------------------------

# Each variant is a log that is added to what qemu-img made.  qemu-img replays it into the file;
# vmlift reads through it, and the file stays as it is.
make_raw 8388608
qemu-img convert -f raw -O vhdx -o block_size=1M in.raw clean.vhdx
cat >logs.py <<'PY'
import struct, sys, uuid
from vhdx_disks import *
name = sys.argv[1]
data = bytearray(open("clean.vhdx", "rb").read())
bat = next(struct.unpack_from("<Q", data, TABLES + 16 + 32 * i + 16)[0] for i in range(2)
           if data[TABLES + 16 + 32 * i:][:16] == REGIONS["bat"].bytes_le)
where = [struct.unpack_from("<Q", data, bat + 8 * n)[0] for n in range(8)]
here = [w & -MIB for w in where if w & 7 == 6]
assert len(here) >= 3, where
end = len(data)
page = lambda c: (c * 4096)[:4096]
def table(*entries):
    out = bytearray(data[bat:bat + 4096])
    struct.pack_into(f"<{len(entries)}Q", out, 0, *entries)
    return bytes(out)
numbered = b"".join(b"%04x" % i for i in range(1024))
swapped = [where[7], *where[1:7], where[0]]
at, tail = 0, 0
if name == "payload":
    entries = [entry(1, 0, [(here[0] + 8192, numbered)], end, end)]
elif name == "table":
    entries = [entry(1, 0, [(bat, table(*swapped))], end, end)]
elif name == "zeroes":
    entries = [entry(1, 0, [(here[0], 65536), (here[0] + 4096, numbered), (here[1] + 4096, 4096)], end, end)]
elif name == "order":  # the later one counts, within an entry and between them
    entries = [entry(6, 0, [(here[0], page(b"first")), (here[0], page(b"then"))], end, end),
               entry(7, 0, [(here[0] + 4096, page(b"x")), (here[1], page(b"y"))], end, end),
               entry(8, 0, [(here[0] + 4096, page(b"last"))], end, end)]
elif name == "around":  # the log's end is inside an entry and inside the sequence
    at = 252
    entries = [entry(2**32 - 1 + n, 252, [(here[0] + 4096 * n, page(b"%d" % n)), (here[1] + 4096 * n, numbered)], end, end)
               for n in range(4)]
elif name == "many":  # descriptors on more than a page
    entries = [entry(1, 0, [(here[0] + 4096 * i, page(b"%03d" % i)) for i in range(200)], end, end)]
elif name == "tail":  # entries in front of the tail were written already
    entries = [entry(1, 0, [(here[0], page(b"old"))], end, end), entry(2, 2, [(here[0] + 4096, page(b"new"))], end, end)]
elif name == "older":  # a sequence of lower numbers, and another's entries, are no part of it
    log(data, entry(3, 100, [(here[0], page(b"old"))], end, end), at=100)
    log(data, entry(900, 120, [(here[0], page(b"other"))], end, end, guid=uuid.UUID(int=5)), at=120)
    entries = [entry(50, 0, [(here[0] + 4096, numbered)], end, end)]
elif name == "torn":
    whole = entry(1, 0, [(here[0], numbered)], end, end)
    torn = entry(2, 0, [(here[0], page(b"torn")), (here[1], page(b"torn"))], end, end)
    entries = [whole, torn[:-4096]]
elif name == "longer":  # a block that begins where the file as it is ends
    entries = [entry(1, 0, [(bat, table(end | 6, *where[1:])), (end, numbered), (end + 65536, page(b"z"))], end, end + MIB)]
log(data, *entries, at=at)
open("dirty.vhdx", "wb").write(data)
# What follows from the specification where qemu-img does otherwise: pages of the disk's blocks.
block = [where.index(here[0] | 6), where.index(here[1] | 6)]
own = {"around": {(block[i], n): page(b"%d" % n) if i == 0 else numbered for i in (0, 1) for n in range(4)},
       "many": {(block[0], n): page(b"%03d" % n) for n in range(200)},
       "tail": {(block[0], 1): page(b"new")},
       "longer": {(0, n): {0: numbered, 16: page(b"z")}.get(n, bytes(4096)) for n in range(256)}}
if name in own:
    disk = bytearray(open("in.raw", "rb").read())
    for (n, p), content in own[name].items():
        off = n * MIB + p * 4096
        disk[off:off + 4096] = content
    open("own.raw", "wb").write(disk)
PY
rm -f got.raw
for name in payload table zeroes order older torn around many tail longer; do
    python3 logs.py $name
    cp dirty.vhdx before.vhdx
    run "$VMLIFT" convert --force dirty.vhdx got.raw 2>stderr
    grep -qF '[vhdx/log-replayed]' stderr || fail "$name: nothing is said: $(cat stderr)"
    same before.vhdx dirty.vhdx
    "$VMLIFT" check dirty.vhdx >check.txt || fail "$name: $(cat check.txt)"
    grep -qF 'vhdx/log-replayed' check.txt || fail "$name: check says nothing of the log"
    case $name in
    # qemu-img 7.2 does not look at tails (it begins in the middle of a sequence that goes around the
    # log's end, and with entries that are done), takes one page of descriptors only, and does not
    # make the file as long as the log says.
    around | many | tail | longer)
        same own.raw got.raw
        ;;
    *)
        qemu-img check -q -r all -f vhdx before.vhdx
        qemu-img convert -f vhdx -O raw before.vhdx want.raw
        cmp -s want.raw in.raw && fail "$name: the log changes nothing"
        same want.raw got.raw
        run "$VMLIFT" compare before.vhdx dirty.vhdx 2>/dev/null # what qemu-img replayed is clean
        ;;
    esac
done

# --- parents ---------------------------------------------------------------------------------------

# There is no other reader of differencing disks to ask: what is right follows from how it was made.
cat >child.py <<'PY'
import random
from vhdx_disks import *
rnd = random.Random(26)
size, linkage = 6 * MIB + 4096, "{%s}" % str(DATA_GUID).upper()
for sector in 512, 4096:
    base = {n: rnd.randbytes(MIB) for n in (0, 1, 2, 3)}
    own = {n: rnd.randbytes(MIB) for n in (0, 1, 5, 6)}
    bits = bytearray(8 * MIB // sector // 8)
    per = MIB // sector // 8
    bits[0:per] = rnd.randbytes(per)              # some sectors of block 0
    bits[per:2 * per] = b"\xff" * per             # all of block 1
    bits[5 * per:5 * per + 1] = b"\x81"           # two of block 5, which the parent has not
    bits[6 * per:7 * per] = b"\xff" * per
    folder = f"diff{sector}"
    open(f"{folder}/base.vhdx", "wb").write(vhdx(size, base, sector=sector))
    open(f"{folder}/child.vhdx", "wb").write(vhdx(
        size, {**own, 3: UNMAPPED}, sector=sector, bitmap=bytes(bits), data_guid=uuid.UUID(int=3),
        pairs={"absolute_win32_path": r"C:\vm\elsewhere.vhdx", "parent_linkage": linkage, "relative_path": r".\base.vhdx"}))
    open(f"{folder}/other.vhdx", "wb").write(vhdx(size, base, sector=sector, data_guid=uuid.UUID(int=4)))
    want = bytearray()
    for n in range(7):
        for s in range(MIB // sector):
            i = n * MIB // sector + s
            span = slice(s * sector, (s + 1) * sector)
            if n == 3:                            # unmapped: not the parent's
                want += bytes(sector)
            elif n in own and bits[i // 8] >> i % 8 & 1:
                want += own[n][span]
            else:
                want += base.get(n, bytes(MIB))[span]
    open(f"{folder}/want.raw", "wb").write(want[:size])
PY
mkdir diff512 diff4096
python3 child.py
for folder in diff512 diff4096; do
    expect 4 image/parent "$VMLIFT" convert $folder/child.vhdx no.raw
    grep -qF "'base.vhdx'" stderr || fail "does not name the parent: $(cat stderr)"
    run "$VMLIFT" convert --force --follow-parents $folder/child.vhdx got.raw
    same $folder/want.raw got.raw
    run "$VMLIFT" compare --parent $folder/base.vhdx $folder/child.vhdx $folder/want.raw
    expect 3 image/parent-id "$VMLIFT" convert --parent $folder/other.vhdx $folder/child.vhdx no.raw
    run "$VMLIFT" check $folder/child.vhdx
done
# qemu-img takes what child.py makes, but for sectors of 4 KiB.
qemu-img convert -f vhdx -O raw diff512/base.vhdx base.raw
run "$VMLIFT" compare diff512/base.vhdx base.raw

# A block that is partly the parent's, whose bitmap would be in a hole of the file.
python3 - <<'PY'
from vhdx_disks import *
out = vhdx(9000 * MIB, {8000: b"x"}, pairs={"parent_linkage": "{%s}" % DATA_GUID, "relative_path": "x"})
struct.pack_into("<Q", out, BAT + 8 * 8001, BLOCKS | PARTIAL)
open("hole.vhdx", "wb").write(out)
PY
fallocate -d hole.vhdx || true
expect 3 vhdx/bat-state "$VMLIFT" convert hole.vhdx no.raw
expect 1 "" "$VMLIFT" check hole.vhdx
grep -qF vhdx/bat-state stdout || fail "check: $(cat stdout)"

# --- what is refused -------------------------------------------------------------------------------

expect 4 image/read-only "$VMLIFT" convert in.raw no.vhdx
# shellcheck disable=SC2016
expect 4 vhdx/needs-seek bash -o pipefail -c 'cat clean.vhdx | "$VMLIFT" convert - no.raw'
if [ -e no.vhdx ] || [ -e no.raw ]; then
    fail "something was left behind"
fi
