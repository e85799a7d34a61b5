#!/usr/bin/env bash
# The store from outside: what import adds, what verify finds, what gc frees.
. "$(dirname "$0")/../functions.sh"

export VMLIFT_STORE=$tmp/deep/store AWS_REGION=us-east-1

# stat_of NAME: a number of `store stats`.
stat_of() {
    "$VMLIFT" store stats --json | sed -n -E "s/.*\"$1\": *([0-9]+).*/\1/p" | head -n 1
}
# snapshot_of AMI: its first one.
snapshot_of() {
    "$VMLIFT" image show "$1" --json | grep -oE 'snap-[0-9a-f]{17}' | head -n 1
}
pack_bytes() {
    find "$VMLIFT_STORE/packs" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}
# visible: three images and their snapshots are, and no more.
visible() {
    [ "$(stat_of images) $(stat_of snapshots)" = "3 3" ] ||
        fail "$(stat_of images) images and $(stat_of snapshots) snapshots are visible"
}

# 8 MiB of noise in 40 MiB, and the same disk with one MiB changed.
truncate -s 40M a.raw
dd if=/dev/urandom of=a.raw bs=1M count=8 seek=3 conv=notrunc status=none
cp --sparse=always a.raw b.raw
dd if=/dev/urandom of=b.raw bs=1M count=1 seek=5 conv=notrunc status=none

echo "--- there is no store before the first import or init"
expect 6 store/not-found "$VMLIFT" store stats
expect 6 store/not-found "$VMLIFT" store verify
[ ! -e "$VMLIFT_STORE" ] || fail "a store was made"
mkdir other && touch other/file
expect 3 store/format "$VMLIFT" store init --store "$tmp/other"
run "$VMLIFT" store init
run "$VMLIFT" store init
[ "$(stat -c %a "$VMLIFT_STORE")" = 700 ] || fail "the store is open to others"
[ "$(head -n 1 "$VMLIFT_STORE/format")" = "vmlift store 1" ] || fail "format file"

echo "--- import, and what it costs"
first=$("$VMLIFT" import -f raw a.raw --name first)
[ "$(stat_of data)" -eq $((8 << 20)) ] || fail "data: $(stat_of data)"
[ "$(stat_of logical)" -eq $((40 << 20)) ] || fail "logical: $(stat_of logical)"
[ "$(stat_of stored)" -eq "$(pack_bytes)" ] || fail "stored: $(stat_of stored)"
blocks=$(stat_of blocks) before=$(pack_bytes)
[ "$blocks" -eq 16 ] || fail "$blocks blocks"
second=$("$VMLIFT" import -f raw a.raw --name second)
[ "$(stat_of blocks)" -eq "$blocks" ] || fail "the same disk brought new blocks"
more=$(($(pack_bytes) - before))
[ "$more" -lt 1024 ] || fail "the same disk took $more bytes more"
third=$("$VMLIFT" import -f raw b.raw --name third)
[ "$(stat_of blocks)" -eq $((blocks + 2)) ] || fail "one MiB more: $(stat_of blocks) blocks"
visible
for i in "$first:a" "$second:a" "$third:b"; do
    run "$VMLIFT" export "${i%:*}" out.raw -O raw --force
    same out.raw "${i#*:}.raw"
done
run "$VMLIFT" export "$(snapshot_of "$third")" out.raw -O raw --force
same out.raw b.raw

echo "--- an import that fails leaves nothing to see"
expect 5 InvalidAMIName.Duplicate "$VMLIFT" import -f raw b.raw --name third
visible
# a full disk: 16 MiB of noise where a file ends at 10 MB
dd if=/dev/urandom of=noise.raw bs=1M count=16 status=none
# shellcheck disable=SC2016 # the inner shell's own
expect 7 io/full bash -c 'ulimit -f 10000; exec "$@"' - "$VMLIFT" import -f raw noise.raw --name full
visible
# a source that was cut
run "$VMLIFT" convert a.raw whole.vmdk
head -c 5000000 whole.vmdk >cut.vmdk
expect 3 input/truncated "$VMLIFT" import cut.vmdk --name cut
# shellcheck disable=SC2016 # the inner shell's own
expect 3 input/truncated bash -c 'cat cut.vmdk | "$0" import - --name cut' "$VMLIFT"
visible
run "$VMLIFT" store gc
[ "$(stat_of stored)" -eq "$(pack_bytes)" ] || fail "gc left something"
[ "$("$VMLIFT" image list | wc -l)" -eq 4 ] || fail "other images than before"
cp -r "$VMLIFT_STORE" kept

echo "--- verify finds one changed byte anywhere in a pack"
run "$VMLIFT" store verify
largest=$(find "$VMLIFT_STORE/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1)
size=${largest%% *} pack=${largest#* }
for off in 0 9 60 100 1048576 $((size / 2)) $((size - 200)) $((size - 30)) $((size - 1)); do
    cp "$pack" whole
    byte=$(od -An -tu1 -j "$off" -N 1 "$pack")
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((byte ^ 16)))" |
        dd of="$pack" bs=1 seek="$off" conv=notrunc status=none
    expect 1 "" "$VMLIFT" store verify
    [ "$(grep -vc '^ ' "$tmp/stdout")" -eq 1 ] || fail "offset $off: not one fault: $(cat "$tmp/stdout")"
    mv "$tmp/stdout" whole.found
    expect 1 "" "$VMLIFT" store verify --quick
    cmp "$tmp/stdout" whole.found || fail "offset $off: --quick finds something else: $(cat "$tmp/stdout")"
    cp whole "$pack"
done
run "$VMLIFT" store verify
run "$VMLIFT" store verify --quick

echo "--- a damaged block is an error, never zeroes"
printf 'XXXX' | dd of="$pack" bs=1 seek=2000000 conv=notrunc status=none
expect 3 store/block-damaged "$VMLIFT" export "$first" damaged.raw -O raw
grep -q "$(snapshot_of "$first")" "$tmp/stderr" || fail "the snapshot is not named"
grep -qE 'bytes [0-9]+\.\.[0-9]+' "$tmp/stderr" || fail "the bytes are not named"
[ ! -e damaged.raw ] || fail "an output was left behind"
expect 1 "" "$VMLIFT" store verify
for i in "$first first" "$second second" "$third third"; do
    grep -qE "^  $(snapshot_of "${i% *}"): bytes [0-9]+\.\.[0-9]+ \($i\)$" "$tmp/stdout" ||
        fail "verify does not name what suffers"
done
expect 1 "" "$VMLIFT" store verify --json
grep -q "\"object\": \"$(snapshot_of "$third")\"" "$tmp/stdout" || fail "nor in JSON"
grep -q "\"name\": \"third\"" "$tmp/stdout" || fail "nor the image in JSON"
cp whole "$pack"
mv "$pack" away
expect 3 store/block-missing "$VMLIFT" export "$first" damaged.raw -O raw
expect 1 "" "$VMLIFT" store verify
expect 3 store/block-missing "$VMLIFT" store gc
mv away "$pack"
run "$VMLIFT" store verify

echo "--- gc frees what nothing uses, and nothing else"
before=$(pack_bytes)
expect 5 InvalidSnapshot.InUse "$VMLIFT" snapshot delete "$(snapshot_of "$first")"
grep -q "$first" "$tmp/stderr" || fail "the image that uses it is not named"
snap=$(snapshot_of "$third")
run "$VMLIFT" image deregister "$third"
run "$VMLIFT" store gc
"$VMLIFT" snapshot list >snapshots
grep -q "$snap" snapshots || fail "deregister took the snapshot along"
run "$VMLIFT" snapshot delete "$snap"
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot delete "$snap"
run "$VMLIFT" store gc
[ $((before - $(pack_bytes))) -gt $((1 << 20)) ] || fail "gc freed $((before - $(pack_bytes)))"
[ "$(stat_of blocks)" -eq "$blocks" ] || fail "$(stat_of blocks) blocks are left"
run "$VMLIFT" store verify
run "$VMLIFT" export "$second" out.raw -O raw --force
same out.raw a.raw
for ami in $first $second; do
    snap=$(snapshot_of "$ami")
    run "$VMLIFT" image deregister "$ami"
    run "$VMLIFT" snapshot delete "$snap"
done
touch "$VMLIFT_STORE/packs/not-ours"
run "$VMLIFT" store gc
# what is left says which images are no longer available
left=$(pack_bytes)
[ "$left" -lt 4096 ] || fail "$left bytes are left"
[ "$(stat_of blocks)" -eq 0 ] || fail "$(stat_of blocks) blocks are left"
[ -e "$VMLIFT_STORE/packs/not-ours" ] || fail "gc took a file that is not the store's"
run "$VMLIFT" store verify

echo "--- a copy of the folder is a store"
[ "$("$VMLIFT" store stats --store "$tmp/kept" --json | grep -c stored)" -eq 1 ] || fail "copy"
run "$VMLIFT" store verify --store "$tmp/kept"
run "$VMLIFT" export --store "$tmp/kept" "$third" out.raw -O raw --force
same out.raw b.raw

echo "--- killed while importing: nothing to see, nothing to unlock"
dd if=/dev/urandom of=big.raw bs=1M count=600 status=none
"$VMLIFT" import -f raw big.raw --name big >/dev/null 2>&1 &
pid=$!
while kill -0 "$pid" 2>/dev/null && [ "$(pack_bytes)" -eq "$left" ]; do
    sleep 0.02
done
kill -9 "$pid" 2>/dev/null || fail "the import was over before it could be killed"
wait "$pid" 2>/dev/null || true
[ "$(pack_bytes)" -gt "$left" ] || fail "no pack was sealed"
[ "$(stat_of images) $(stat_of snapshots)" = "0 0" ] || fail "something is visible"
run "$VMLIFT" store verify
run "$VMLIFT" store gc
[ "$(pack_bytes)" -eq "$left" ] || fail "$(pack_bytes) bytes are left after a gc"
run "$VMLIFT" store verify
