#!/usr/bin/env bash
# What vmlift writes with one set of codec libraries is read by it with any other, and by qemu-img; and
# damage to it is found by all of them alike.
. "$(dirname "$0")/../functions.sh"
requires qemu-img python3
read -ra programs <<<"$VMLIFT ${VMLIFT_VARIANTS-}"
if [ ${#programs[@]} -lt 2 ]; then
    echo "skipped: VMLIFT_VARIANTS names no programs with other codecs" >&2
    exit 77
fi

# Text, noise, and places where the one becomes the other, in and between grains.
python3 - <<'PY'
import random
chance = random.Random(7)
with open("in.raw", "wb") as f:
    f.truncate(40 << 20)
    for place in range(24):
        f.seek(place * 1_700_000 // 512 * 512)
        f.write(chance.randbytes(30_000) + b"".join(b"line %d of %d\n" % (n, place) for n in range(9_000)))
PY
want=$("$VMLIFT" hash -f raw in.raw | cut -d' ' -f1)

n=0
for writer in "${programs[@]}"; do
    for level in "" 1 6 9; do
        n=$((n + 1))
        run "$writer" convert -f raw ${level:+-o "level=$level"} in.raw "$n.vmdk"
        run qemu-img compare -f raw -F vmdk in.raw "$n.vmdk" >/dev/null
        for reader in "${programs[@]}"; do
            [ "$("$reader" hash "$n.vmdk" | cut -d' ' -f1)" = "$want" ] || fail "$reader reads another disk in $n.vmdk"
        done
        # stored grains of one, handed on by another
        run "${programs[n % ${#programs[@]}]}" convert "$n.vmdk" again.vmdk
        run qemu-img compare -f raw -F vmdk in.raw again.vmdk >/dev/null
        rm again.vmdk
    done
    # one bit of the first grain's stream
    cp "$n.vmdk" bad.vmdk
    printf '\x5a' | dd of=bad.vmdk bs=1 seek=$((65536 + 2000)) conv=notrunc status=none
    cmp -s "$n.vmdk" bad.vmdk && fail "nothing was damaged"
    for reader in "${programs[@]}"; do
        expect 3 vmdk/inflate "$reader" hash bad.vmdk
    done
done

# With SOURCE_DATE_EPOCH each is at least true to itself.
for writer in "${programs[@]}"; do
    SOURCE_DATE_EPOCH=1700000000 run "$writer" convert --threads 1 -f raw in.raw one.vmdk
    SOURCE_DATE_EPOCH=1700000000 run "$writer" convert --threads 8 -f raw in.raw eight.vmdk
    cmp one.vmdk eight.vmdk || fail "$writer: other bytes with eight threads"
    rm one.vmdk eight.vmdk
done
