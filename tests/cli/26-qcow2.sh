#!/usr/bin/env bash
# QCOW2 as qemu-img writes it: every way to store a disk, children over their parents, and what is told.
. "$(dirname "$0")/../functions.sh"
requires qemu-img qemu-io jq xxd python3

# Noise, text, holes, and an end inside a cluster of any size.
python3 - <<'PY'
import random
with open("disk.raw", "wb") as f:
    f.truncate((9 << 20) + 1536)
    f.write(random.Random(26).randbytes(700000))
    f.seek(3 << 20)
    f.write(b"some text that deflates\n" * 60000)
    f.seek(9 << 20)
    f.write(random.Random(27).randbytes(1536))
PY

# reads FILE RAW OPTION...: the disk of one is the other's, and check finds nothing.
reads() {
    local file=$1 raw=$2
    shift 2
    rm -f got.raw
    run "$VMLIFT" convert "$@" "$file" got.raw
    same "$raw" got.raw
    expect 0 "" "$VMLIFT" check "$file"
    ! grep -qE 'warning|fault:' stdout || fail "check: $(cat stdout)"
}

# --- as it is stored -------------------------------------------------------------------------------

for size in 512 4k 64k 2M; do
    for how in "" "-c" "-c -o compression_type=zstd"; do
        # shellcheck disable=SC2086
        qemu-img convert -f raw -O qcow2 $how -o cluster_size=$size disk.raw a.qcow2
        reads a.qcow2 disk.raw
    done
done
for options in compat=0.10 lazy_refcounts=on preallocation=metadata preallocation=falloc preallocation=full \
    refcount_bits=1 refcount_bits=64 extended_l2=on extended_l2=on,preallocation=metadata \
    extended_l2=on,cluster_size=2M; do
    qemu-img convert -f raw -O qcow2 -o $options disk.raw a.qcow2
    reads a.qcow2 disk.raw
done
qemu-img convert -f raw -O qcow2 -c -o extended_l2=on disk.raw a.qcow2
reads a.qcow2 disk.raw --threads 4

# Zeroes that are written down, with and without a place; parts of clusters; a cluster that is compressed
# and then written to; single bits of extended entries.
for options in cluster_size=64k cluster_size=512 extended_l2=on,cluster_size=16k extended_l2=on; do
    qemu-img convert -f raw -O qcow2 -c -o $options disk.raw a.qcow2
    qemu-io -f qcow2 -c 'write -q -z 0 128k' -c 'write -q -z -u 256k 64k' -c 'write -q -P 0x11 3M 512' \
        -c 'write -q -P 0x12 5M 70k' -c 'write -q -z 5246976 2k' -c 'write -q -P 0x13 7003136 512' a.qcow2
    qemu-img convert -f qcow2 -O raw a.qcow2 want.raw
    cmp -s want.raw disk.raw && fail "qemu-io wrote nothing"
    reads a.qcow2 want.raw
    qemu-img map --output=json a.qcow2 | jq -c '[.[] | select(.zero | not) | .length] | add' >want.txt
    "$VMLIFT" info --json a.qcow2 | jq .data_size >got.txt
    same want.txt got.txt
done

# 2 TiB of nothing, but for both ends.
qemu-img create -q -f qcow2 big.qcow2 2T
qemu-io -f qcow2 -c 'write -q -P 0x21 0 64k' -c 'write -q -P 0x22 2199023190016 64k' big.qcow2
qemu-img convert -f qcow2 -O raw big.qcow2 big.raw 2>/dev/null || { rm -f big.raw; echo "no file of 2 TiB here"; }
if [ -e big.raw ]; then
    run "$VMLIFT" compare big.qcow2 big.raw
    rm big.raw
fi
[ "$("$VMLIFT" info --json big.qcow2 | jq -c '[.virtual_size, .data_size]')" = "[2199023255552,131072]" ] ||
    fail "2 TiB: $("$VMLIFT" info --json big.qcow2)"

# The disk as it is now, not as it was when a snapshot was taken; and one that was not closed.
qemu-img convert -f raw -O qcow2 disk.raw a.qcow2
qemu-img snapshot -c before a.qcow2
qemu-io -f qcow2 -c 'write -q -P 0x31 1M 200k' a.qcow2
qemu-img convert -f qcow2 -O raw a.qcow2 want.raw
reads a.qcow2 want.raw
expect 0 qcow2/snapshots "$VMLIFT" convert --force a.qcow2 got.raw
qemu-img convert -f raw -O qcow2 -o lazy_refcounts=on disk.raw a.qcow2
qemu-io -f qcow2 -c 'write -q -P 0x32 1M 200k' -c 'abort' a.qcow2 >/dev/null 2>&1 || true
cp a.qcow2 b.qcow2
expect 0 qcow2/dirty "$VMLIFT" convert --force a.qcow2 got.raw
same a.qcow2 b.qcow2
qemu-img check -q -r all b.qcow2 >/dev/null || true
qemu-img convert -f qcow2 -O raw b.qcow2 want.raw
same want.raw got.raw

# As the source of everything else; its own output is refused, and so is a pipe.
qemu-img convert -f raw -O qcow2 -c disk.raw a.qcow2
run "$VMLIFT" convert a.qcow2 a.vmdk
qemu-img compare -f raw -F vmdk disk.raw a.vmdk || fail "by way of VMDK"
ami=$(run "$VMLIFT" import --store store --name qcow a.qcow2)
run "$VMLIFT" export --store store "$ami" back.raw
run "$VMLIFT" compare disk.raw back.raw
[ "$("$VMLIFT" hash a.qcow2 | cut -c1-64)" = "$(sha256sum <disk.raw | cut -c1-64)" ] || fail "hash"
[ "$("$VMLIFT" info --json a.qcow2 | jq -r '[.format, .subformat, .virtual_size] | join(" ")')" = \
    "qcow2 v3 9438720" ] || fail "info: $("$VMLIFT" info --json a.qcow2)"
expect 1 "" "$VMLIFT" check --target aws a.qcow2
grep -qF '[target/disk-format]' stdout || fail "AWS takes it? $(cat stdout)"
expect 4 image/read-only "$VMLIFT" convert disk.raw no.qcow2
expect 4 image/read-only "$VMLIFT" convert -O qcow2 disk.raw no.img
if [ -e no.qcow2 ] || [ -e no.img ]; then fail "something is left"; fi
# shellcheck disable=SC2016
expect 4 qcow2/needs-seek bash -o pipefail -c 'cat a.qcow2 | "$VMLIFT" convert - no.raw'

# --- over parents ----------------------------------------------------------------------------------

# Three generations, raw below; each writes into what it has, what its parent has and what nobody has.
mkdir vm
cp disk.raw vm/base.raw
qemu-img create -q -f qcow2 -F raw -b base.raw vm/middle.qcow2
qemu-io -f qcow2 -c 'write -q -P 0x41 1M 64k' -c 'write -q -P 0x42 5000192 512' -c 'write -q -z 3M 300k' vm/middle.qcow2
qemu-img create -q -f qcow2 -o extended_l2=on -F qcow2 -b middle.qcow2 vm/child.qcow2
qemu-io -f qcow2 -c 'write -q -P 0x43 1081344 1k' -c 'write -q -P 0x44 7M 200k' -c 'write -q -z 0 4k' vm/child.qcow2
qemu-img convert -f qcow2 -O raw vm/child.qcow2 want.raw
cmp -s want.raw disk.raw && fail "the chain holds nothing of its own"
reads vm/child.qcow2 want.raw --follow-parents
reads vm/child.qcow2 want.raw --parent vm/middle.qcow2 --parent vm/base.raw
reads vm/child.qcow2 want.raw --parent vm/middle.qcow2 --follow-parents --threads 4
run "$VMLIFT" convert --follow-parents vm/child.qcow2 child.vhd
run "$VMLIFT" compare child.vhd want.raw
[ "$("$VMLIFT" info --json vm/child.qcow2 | jq -r .parent)" = middle.qcow2 ] || fail "info: no parent"

# A parent that is smaller, and one that is larger; compressed; of another format.
qemu-img create -q -f qcow2 -F qcow2 -b middle.qcow2 vm/grown.qcow2 12M
qemu-img create -q -f qcow2 -F qcow2 -b middle.qcow2 vm/shrunk.qcow2 1M
qemu-img convert -f raw -O qcow2 -c disk.raw vm/packed.qcow2
qemu-img create -q -f qcow2 -F qcow2 -b packed.qcow2 vm/over.qcow2
qemu-img convert -f raw -O vmdk disk.raw vm/base.vmdk
qemu-img create -q -f qcow2 -F vmdk -b base.vmdk vm/mixed.qcow2
for name in grown shrunk over mixed; do
    qemu-io -f qcow2 -c 'write -q -P 0x51 100k 3k' vm/$name.qcow2
    qemu-img convert -f qcow2 -O raw vm/$name.qcow2 want.raw
    reads vm/$name.qcow2 want.raw --follow-parents
done

refuse 4 image/parent middle.qcow2 vm/child.qcow2
refuse 4 image/parent base.raw --parent vm/middle.qcow2 vm/child.qcow2
mkdir alone
cp vm/child.qcow2 alone/
refuse 6 io/not-found middle.qcow2 --follow-parents alone/child.qcow2
for name in ../vm/base.raw /etc/passwd 'json:{"driver":"raw"}' nbd://127.0.0.1/; do
    cp vm/middle.qcow2 alone/away.qcow2
    qemu-img rebase -u -f qcow2 -F raw -b "$name" alone/away.qcow2
    refuse 5 input/outside "$name" --follow-parents alone/away.qcow2
done

# A raw parent whose guest wrote another format's header into it stays raw, and is not guessed at.
qemu-img create -q -f qcow2 -F raw -b /etc/passwd evil.qcow2 1M
cp disk.raw vm/evil.raw
dd if=evil.qcow2 of=vm/evil.raw conv=notrunc status=none
qemu-img create -q -f qcow2 -F raw -b evil.raw vm/victim.qcow2
qemu-img convert -f qcow2 -O raw vm/victim.qcow2 want.raw
same want.raw vm/evil.raw
reads vm/victim.qcow2 want.raw --follow-parents
gzip -k1 disk.raw && mv disk.raw.gz vm/disk.gz && truncate -s %512 vm/disk.gz # nor unpacked
qemu-img create -q -f qcow2 -F raw -b disk.gz vm/zipped.qcow2
qemu-img convert -f qcow2 -O raw vm/zipped.qcow2 want.raw
reads vm/zipped.qcow2 want.raw --follow-parents
# Without the format's name only what has the marks of one is taken.
python3 - <<'PY'
for name in "middle", "child":
    data = bytearray(open(f"vm/{name}.qcow2", "rb").read())
    at = data.index(b"\xe2\x79\x2a\xca")
    data[at:at + 4] = b"\0\0\0\1"
    open(f"vm/{name}-unsaid.qcow2", "wb").write(data)
PY
refuse 4 image/parent-format base.raw --follow-parents vm/middle-unsaid.qcow2
refuse 4 image/parent-format base.raw --parent vm/base.raw vm/middle-unsaid.qcow2
qemu-img convert -f qcow2 -O raw vm/child.qcow2 want.raw
reads vm/child-unsaid.qcow2 want.raw --follow-parents
