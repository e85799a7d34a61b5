#!/usr/bin/env bash
# Memory is bounded by threads and chunks, never by the disk: a 2 TiB disk goes through every format
# and the store in less than 96 MiB.
. "$(dirname "$0")/../functions.sh"
requires /usr/bin/time qemu-img python3
limit=96

# islands FILE SIZE: a sparse disk of SIZE with data at its ends and scattered between.
islands() {
    python3 - "$1" "$2" <<'PY'
import random, sys
name, size = sys.argv[1], int(sys.argv[2])
r = random.Random(1)
with open(name, "wb") as f:
    f.truncate(size)
    for at in [0, size - (1 << 20)] + [r.randrange(0, size >> 20) << 20 for _ in range(100)]:
        f.seek(at)
        f.write(r.randbytes(1 << 19))           # does not shrink
        f.seek(at + (3 << 18))
        f.write(b"some text, again " * 4096)    # shrinks
    f.truncate(size)
PY
}

# within WHAT COMMAND...: the most memory that COMMAND had.
within() {
    local what=$1 peak
    shift
    /usr/bin/time -f %M -o peak "$@"
    peak=$(tail -1 peak)
    printf '%-32s %5d MiB\n' "$what" $((peak / 1024))
    [ "$peak" -lt $((limit * 1024)) ] || fail "$what: $peak KiB is more than $limit MiB"
}

# back WHAT COMMAND...: the same, and what it writes to back.raw must be the disk again.
back() {
    within "$@"
    qemu-img compare -q -f raw -F raw big.raw back.raw || fail "$1: other bytes"
    rm back.raw
}

convert=("$VMLIFT" convert --threads 2)
export VMLIFT_STORE=$tmp/store
islands big.raw $((2 << 40))
within "raw > streamOptimized" "${convert[@]}" big.raw big.vmdk
back "streamOptimized > raw" "${convert[@]}" big.vmdk back.raw
back "streamOptimized, from a pipe" "${convert[@]}" -f vmdk - back.raw < <(cat big.vmdk)
qemu-img compare -q -f raw -F vmdk big.raw big.vmdk || fail "qemu-img reads other bytes"
rm big.vmdk
within "raw > monolithicSparse" "${convert[@]}" -o subformat=monolithicSparse big.raw big.vmdk
back "monolithicSparse > raw" "${convert[@]}" big.vmdk back.raw
within "monolithicSparse > fixed VHD" "${convert[@]}" -o subformat=fixed big.vmdk big.vhd
rm big.vmdk
# qemu's driver for VHD ends at 2040 GiB; but a fixed one is the disk and a footer.
qemu-img compare -q --image-opts driver=raw,file.driver=file,file.filename=big.raw \
    driver=raw,size=$((2 << 40)),file.driver=file,file.filename=big.vhd || fail "fixed VHD: other bytes"
within "fixed VHD > OVA" "${convert[@]}" big.vhd big.ova
rm big.vhd
within "OVA > image" "$VMLIFT" import --threads 2 --name big big.ova
rm big.ova
back "image > raw" "$VMLIFT" export --threads 2 big back.raw
within "image > streamOptimized" "$VMLIFT" export --threads 2 big back.vmdk
within "compare" "$VMLIFT" compare big.raw back.vmdk
rm back.vmdk big.raw

# A dynamic VHD ends at 2040 GiB.
islands big.raw $((2000 << 30))
within "raw > dynamic VHD" "${convert[@]}" -o subformat=dynamic big.raw big.vhd
qemu-img compare -q -f raw -F vpc big.raw big.vhd || fail "qemu-img reads other bytes"
back "dynamic VHD > raw" "${convert[@]}" big.vhd back.raw
