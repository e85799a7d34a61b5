#!/usr/bin/env bash
# A store that was damaged: importing again heals it, and its catalog comes back from the packs.
. "$(dirname "$0")/../functions.sh"

export VMLIFT_STORE=$tmp/store AWS_REGION=us-east-1

# all: what the store says it holds.
all() {
    "$VMLIFT" image list --json
    "$VMLIFT" image list --json --region eu-west-1
    "$VMLIFT" snapshot list --json
    "$VMLIFT" snapshot list --json --region eu-west-1
}
snapshot_of() {
    "$VMLIFT" image show "$1" --json | grep -oE 'snap-[0-9a-f]{17}' | head -n 1
}
largest_pack() {
    find "$VMLIFT_STORE/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2
}
# rebuilt: rebuild, and everything is as it was.
rebuilt() {
    run "$VMLIFT" store rebuild
    all >after.json
    cmp before.json after.json || fail "not as it was: $(diff before.json after.json)"
    run "$VMLIFT" store verify
    expect 6 InvalidAMIID.Unavailable "$VMLIFT" image show "$gone"
    run "$VMLIFT" export "$first" out.raw -O raw --force
    same out.raw a.raw
}

truncate -s 20M a.raw
dd if=/dev/urandom of=a.raw bs=1M count=4 seek=3 conv=notrunc status=none
cp --sparse=always a.raw b.raw
dd if=/dev/urandom of=b.raw bs=1M count=1 seek=5 conv=notrunc status=none
first=$("$VMLIFT" import -f raw a.raw --name first --tag Env=Prod --tag "Owner=Zoë")
gone=$("$VMLIFT" import -f raw b.raw --name second)
"$VMLIFT" import -f raw b.raw --name third --region eu-west-1 --description "the third"
deleted=$(snapshot_of "$gone")
run "$VMLIFT" image deregister "$gone"
run "$VMLIFT" snapshot delete "$deleted"
"$VMLIFT" import -f raw b.raw --name second
all >before.json
grep -q third before.json || fail "the list is not complete"

echo "--- a catalog that is missing, cut, garbage, of another version, or was taken from a backup"
rebuilt # of one that is whole
mkdir old
cp "$VMLIFT_STORE/catalog.db" old/
rm -f "$VMLIFT_STORE"/catalog.db*
expect 6 catalog/not-found "$VMLIFT" image list
grep -q "vmlift store rebuild" "$tmp/stderr" || fail "the way out is not named"
expect 6 catalog/not-found "$VMLIFT" import -f raw a.raw --name other
rebuilt
truncate -s 5000 "$VMLIFT_STORE/catalog.db"
expect 3 catalog/corrupt "$VMLIFT" image list
grep -q "vmlift store rebuild" "$tmp/stderr" || fail "the way out is not named"
rebuilt
[ -s "$VMLIFT_STORE/catalog.db.damaged-1" ] || fail "the damaged catalog was not kept"
dd if=/dev/urandom of="$VMLIFT_STORE/catalog.db" bs=4096 count=9 status=none
expect 3 catalog/corrupt "$VMLIFT" store verify
rebuilt
printf '\0\0\0\001' | dd of="$VMLIFT_STORE/catalog.db" bs=1 seek=60 conv=notrunc status=none
expect 4 catalog/version "$VMLIFT" image list
grep -q "vmlift store rebuild" "$tmp/stderr" || fail "the way out is not named"
rebuilt
"$VMLIFT" import -f raw a.raw --name newer
all >before.json
cp old/catalog.db "$VMLIFT_STORE/catalog.db"
expect 1 "" "$VMLIFT" store verify
grep -q catalog/behind "$tmp/stdout" || fail "verify does not see that commits are lost"
expect 3 catalog/behind "$VMLIFT" store gc
rebuilt
run "$VMLIFT" store gc
rebuilt

echo "--- what a rebuild that was killed left behind goes with the next gc or rebuild"
leave() {
    cp old/catalog.db "$VMLIFT_STORE/catalog.db.new"
    : >"$VMLIFT_STORE/catalog.db.new-wal"
    : >"$VMLIFT_STORE/.format.01234567.part"
    ln "$VMLIFT_STORE/catalog.db" "$VMLIFT_STORE/catalog.db.damaged-99"
}
kept=$(find "$VMLIFT_STORE" -name 'catalog.db.damaged-*' | wc -l)
leave
run "$VMLIFT" store gc
find "$VMLIFT_STORE" -name '*.new*' -o -name '*-99' -o -name '.*' | grep . && fail "gc leaves it"
[ "$(find "$VMLIFT_STORE" -name 'catalog.db.damaged-*' | wc -l)" -eq "$kept" ] || fail "gc takes a kept catalog"
leave
rebuilt
find "$VMLIFT_STORE" -name '*.new*' -o -name '*-99' -o -name '.*' | grep . && fail "rebuild leaves it"

echo "--- what only the log of the old catalog held is in the kept one"
python3 - "$VMLIFT_STORE/catalog.db" <<'END'
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA user_version = 77")
db.commit()
assert os.path.getsize(sys.argv[1] + "-wal") > 0
os._exit(0)
END
[ -s "$VMLIFT_STORE/catalog.db-wal" ] || fail "there is no log"
expect 4 catalog/version "$VMLIFT" image list
"$VMLIFT" store rebuild --json >kept.json
kept=$(sed -n 's|.*"kept": "\(.*\)".*|\1|p' kept.json)
[ ! -e "$VMLIFT_STORE/$kept-wal" ] || fail "the kept catalog has a log"
[ "$(od -An -j 60 -N 4 -t u1 "$VMLIFT_STORE/$kept" | tr -d ' ')" = 00077 ] || fail "$kept lacks the last commit"
run "$VMLIFT" store rebuild
all >after.json
cmp before.json after.json || fail "not as it was"

echo "--- the file that says that it is a store"
printf x | dd of="$VMLIFT_STORE/format" bs=1 seek=20 conv=notrunc status=none
expect 3 store/format "$VMLIFT" image list
rebuilt
rm "$VMLIFT_STORE/format"
expect 3 store/format "$VMLIFT" import -f raw a.raw --name other
rebuilt
mkdir nothing
expect 6 store/not-found "$VMLIFT" store rebuild --store "$tmp/nothing"

echo "--- nobody who waited for a rebuild goes on with the old catalog"
(
    flock -x 9
    "$VMLIFT" import -f raw a.raw --name waited >waited.out 2>&1 9>&- &
    echo $! >waited.pid
    sleep 1
    mv "$VMLIFT_STORE/catalog.db" "$VMLIFT_STORE/catalog.db.was"
    cp "$VMLIFT_STORE/catalog.db.was" "$VMLIFT_STORE/catalog.db"
) 9>"$VMLIFT_STORE/lock"
while kill -0 "$(cat waited.pid)" 2>/dev/null; do sleep 0.1; done
grep -q store/replaced waited.out || fail "it went on: $(cat waited.out)"
rebuilt

echo "--- gc makes anew what a pack says of itself"
pack=$(largest_pack)
size=$(stat -c %s "$pack")
for at in 20 $((size - 200)) $((size - 20)); do # header, index, footer
    pack=$(largest_pack)
    printf 'XXXX' | dd of="$pack" bs=1 seek="$at" conv=notrunc status=none
    expect 1 "" "$VMLIFT" store verify
    grep -q store/pack-damaged "$tmp/stdout" || fail "at $at: $(cat "$tmp/stdout")"
    run "$VMLIFT" store gc
    [ ! -e "$pack" ] || fail "the damaged pack is there"
    rebuilt
done

echo "--- importing again heals a damaged block, a lost pack"
pack=$(largest_pack)
printf 'XXXX' | dd of="$pack" bs=1 seek=2000000 conv=notrunc status=none
expect 1 "" "$VMLIFT" store verify
expect 3 store/block-damaged "$VMLIFT" export "$first" damaged.raw -O raw
expect 1 "" "$VMLIFT" store rebuild
grep -q "$(snapshot_of "$first"): bytes" "$tmp/stdout" || fail "rebuild does not say what suffers"
all >after.json
cmp before.json after.json || fail "a snapshot that suffers is not listed"
expect 3 store/block-missing "$VMLIFT" export "$first" damaged.raw -O raw
expect 0 "" "$VMLIFT" import -f raw a.raw --name healer --json
grep -qE '"healed": [01]' "$tmp/stdout" || fail "healed: $(cat "$tmp/stdout")"
run "$VMLIFT" export "$first" out.raw -O raw --force
same out.raw a.raw
printf 'YYYY' | dd of="$pack" bs=1 seek=2600000 conv=notrunc status=none
expect 1 "" "$VMLIFT" store verify
expect 0 "" "$VMLIFT" import -f raw a.raw --name healer2
grep -q "healed 1 damaged blocks" "$tmp/stderr" || fail "healed: $(cat "$tmp/stderr")"
run "$VMLIFT" store verify
run "$VMLIFT" export "$first" out.raw -O raw --force
same out.raw a.raw
expect 0 "" "$VMLIFT" import -f raw a.raw --name healer3
grep -q healed "$tmp/stderr" && fail "healed what is good"
rm "$pack"
expect 1 "" "$VMLIFT" store verify
expect 0 "" "$VMLIFT" import -f raw a.raw --name healer4 --json
grep -qE '"healed": [1-9]' "$tmp/stdout" || fail "healed: $(cat "$tmp/stdout")"
run "$VMLIFT" export "$first" out.raw -O raw --force
same out.raw a.raw
