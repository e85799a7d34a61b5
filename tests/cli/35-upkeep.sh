#!/usr/bin/env bash
# The upkeep of a store: where snapshots differ, what is whose, and a gc among importers.
. "$(dirname "$0")/../functions.sh"
requires python3 jq qemu-img

export VMLIFT_STORE=$tmp/store AWS_REGION=us-east-1 XDG_DATA_HOME=$tmp

# noise FILE BLOCK COUNT: that many blocks of 512 KiB that are like no others
noise() {
    dd if=/dev/urandom of="$1" bs=512K seek="$2" count="$3" conv=notrunc status=none
}
# import FILE: the ID of its snapshot
import() {
    "$VMLIFT" import -f raw "$1" --name "${2:-$1}" --json 2>/dev/null | jq -r '.SnapshotIds[0]'
}
# near A B LIMIT
near() {
    local apart=$(($1 - $2))
    [ "${apart#-}" -lt "$3" ]
}
pack_bytes() {
    find "$VMLIFT_STORE/packs" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}
stat_of() {
    "$VMLIFT" store stats --json | jq "$1"
}

# By itself: the runs of blocks in which two raw files differ, the shorter one followed by zeroes.
cat >differ.py <<'PY'
import os, sys
B = 512 << 10
def blocks(fd):
    at, found = 0, set()
    while True:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return found
        end = os.lseek(fd, at, os.SEEK_HOLE)
        found.update(range(at // B, (end + B - 1) // B))
        at = end
a, b = (os.open(p, os.O_RDONLY) for p in sys.argv[1:])
size = max(os.fstat(a).st_size, os.fstat(b).st_size)
runs = []
for n in sorted(blocks(a) | blocks(b)):
    if os.pread(a, B, n * B).ljust(B, b"\0") == os.pread(b, B, n * B).ljust(B, b"\0"):
        continue
    if runs and sum(runs[-1]) == n * B:
        runs[-1][1] += min(B, size - n * B)
    else:
        runs.append([n * B, min(B, size - n * B)])
for off, length in runs:
    print(off, length)
PY

# check_diff A B: what the program says of two snapshots is what the disks say.  A and B are names of
# raw files, whose snapshots are in `snapshot`.
declare -A snapshot
check_diff() {
    local want=0 got=0
    python3 differ.py "$1" "$2" >want.txt
    [ ! -s want.txt ] || want=1
    "$VMLIFT" snapshot diff "${snapshot[$1]}" "${snapshot[$2]}" >got.txt || got=$?
    [ "$got" -eq "$want" ] || fail "diff $1 $2: status $got, not $want"
    diff <(awk '{ print $1, $2 }' got.txt) want.txt >&2 || fail "diff $1 $2"
    got=0
    "$VMLIFT" snapshot diff --json "${snapshot[$1]}" "${snapshot[$2]}" >got.json || got=$?
    [ "$got" -eq "$want" ] || fail "diff --json $1 $2: status $got, not $want"
    diff <(jq -r '.ChangedBlocks[] | "\(.offset) \(.length)"' got.json) want.txt >&2 || fail "diff --json $1 $2"
    jq -e '.BlockSize == 524288 and all(.ChangedBlocks[]; .BlockIndex * 524288 == .offset)
        and .ChangedBytes == ([.ChangedBlocks[].length] | add // 0)' got.json >/dev/null || fail "$(cat got.json)"
    # cmp has the last word
    [ "$1" = "$2" ] || [ "$(stat -c %s "$1")" -gt 1000000000 ] ||
        [ "$(cmp -s "$1" "$2" && echo 0 || echo 1)" -ge "$want" ] || fail "cmp $1 $2"
}

echo "--- where snapshots differ"
truncate -s 40M a.raw
noise a.raw 3 24
cp --sparse=always a.raw changed.raw
noise changed.raw 5 2
noise changed.raw 20 1
printf x | dd of=changed.raw bs=1 seek=$((60 << 19)) conv=notrunc status=none
cp --sparse=always a.raw punched.raw
fallocate -p -o $((4 << 19)) -l 1M punched.raw
cp --sparse=always a.raw longer.raw
truncate -s 50M longer.raw
cp --sparse=always longer.raw longer-data.raw
noise longer-data.raw 99 1
cp --sparse=always a.raw odd.raw
truncate -s $(((10 << 19) + 4608)) odd.raw
# leaves of 8 GiB: the first is the same, the second differs, and only one has the third and fourth
truncate -s 30G huge.raw
noise huge.raw 0 2
noise huge.raw 20000 2
cp --sparse=always huge.raw huge-changed.raw
noise huge-changed.raw 20001 1
noise huge-changed.raw 16383 2
noise huge-changed.raw 50000 1
disks="a changed punched longer longer-data odd huge huge-changed"
for i in $disks; do snapshot[$i.raw]=$(import "$i.raw"); done
for i in $disks; do
    for j in $disks; do check_diff "$i.raw" "$j.raw"; done
done
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot diff "${snapshot[a.raw]}" snap-0123456789abcdef0
expect 2 "" "$VMLIFT" snapshot diff "${snapshot[a.raw]}"

echo "--- and no block of data is read for that"
# bytes_read COMMAND...: by all its system calls
bytes_read() {
    # shellcheck disable=SC2016 # the inner shell's own
    bash -c '"$@" >/dev/null; sed -n "s/^rchar: //p" /proc/$$/io' - "$@"
}
truncate -s 64M big.raw
noise big.raw 0 128
cp big.raw big-changed.raw
noise big-changed.raw 100 1
for i in big big-changed; do snapshot[$i.raw]=$(import "$i.raw"); done
whole=$(bytes_read "$VMLIFT" export "${snapshot[big.raw]}" out.raw -O raw --force)
if [ -n "$whole" ]; then
    [ "$whole" -gt $((64 << 20)) ] || fail "an export reads $whole bytes: that count is wrong"
    part=$(bytes_read "$VMLIFT" snapshot diff "${snapshot[big.raw]}" "${snapshot[big-changed.raw]}")
    [ "$part" -lt $((3 << 20)) ] || fail "a diff reads $part bytes"
    echo "an export reads $whole bytes, a diff $part"
fi

echo "--- encrypted ones: with the same key, and not otherwise"
# encrypted FILE NAME KEY: the ID of its snapshot
encrypted() {
    "$VMLIFT" import -f raw "$1" --name "$2" --encrypt --key "$3" --json 2>/dev/null | jq -r '.SnapshotIds[0]'
}
key=$("$VMLIFT" key create) other=$("$VMLIFT" key create)
plain=("${snapshot[a.raw]}" "${snapshot[changed.raw]}")
snapshot[a.raw]=$(encrypted a.raw sealed-a "$key")
snapshot[changed.raw]=$(encrypted changed.raw sealed-changed "$key")
mv "$VMLIFT_STORE/keys" away # no key is needed
check_diff a.raw changed.raw
check_diff a.raw a.raw
mv away "$VMLIFT_STORE/keys"
expect 5 snapshot/keys "$VMLIFT" snapshot diff "${plain[0]}" "${snapshot[a.raw]}"
expect 5 snapshot/keys "$VMLIFT" snapshot diff "${snapshot[a.raw]}" "$(encrypted a.raw sealed-other "$other")"

echo "--- copies of snapshots"
VMLIFT_STORE=$tmp/copies
# field ID NAME [OPTION...]
field() {
    "$VMLIFT" snapshot show "$1" --json "${@:3}" | jq -r ".Snapshots[0].$2"
}
# is_disk ID FILE [OPTION...]
is_disk() {
    "$VMLIFT" export "$1" out.raw -O raw --force "${@:3}"
    same out.raw "$2"
}
from=$(import a.raw)
text=$(field "$from" Description)
[ -n "$text" ] || fail "a snapshot without a description"
before=$(pack_bytes)
near_copy=$("$VMLIFT" snapshot copy "$from")
[[ $near_copy =~ ^snap-[0-9a-f]{17}$ && $near_copy != "$from" ]] || fail "copy printed $near_copy"
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot copy "$from" --region eu-west-1
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot copy "$from" --account 210987654321
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot copy snap-0123456789abcdef0
expect 5 InvalidParameterDependency "$VMLIFT" snapshot copy "$from" --key 0
far_copy=$("$VMLIFT" snapshot copy "$from" --source-region us-east-1 --region eu-west-1 --description far --json |
    jq -r .SnapshotId)
[ $(($(pack_bytes) - before)) -lt 4096 ] || fail "copies took $(($(pack_bytes) - before)) bytes"
[ "$(field "$near_copy" Description) $(field "$far_copy" Description --region eu-west-1)" = "$text far" ] || fail "descriptions"
[ "$(field "$near_copy" Root)" = "$(field "$from" Root)" ] || fail "root"
[ "$("$VMLIFT" snapshot list --region eu-west-1 --json | jq -r '.Snapshots[].SnapshotId')" = "$far_copy" ] ||
    fail "it is not where it was copied to"
run "$VMLIFT" snapshot diff "$from" "$far_copy" --source-region us-east-1 --region eu-west-1
"$VMLIFT" image deregister a.raw >/dev/null 2>&1
"$VMLIFT" snapshot delete "$from" "$near_copy" >/dev/null
"$VMLIFT" store gc >/dev/null
is_disk "$far_copy" a.raw --region eu-west-1
"$VMLIFT" store rebuild >/dev/null # a copy has a record in the packs, too
is_disk "$far_copy" a.raw --region eu-west-1

key=$("$VMLIFT" key create)
sealed=$(encrypted a.raw sealed "$key")
copy=$("$VMLIFT" snapshot copy "$sealed")
[ "$(field "$copy" KmsKeyId) $(field "$copy" Description)" = "$key $(field "$sealed" Description)" ] ||
    fail "the copy of an encrypted one"
before=$(pack_bytes)
there=$("$VMLIFT" key create --region eu-west-1)
far=$("$VMLIFT" snapshot copy "$sealed" --source-region us-east-1 --region eu-west-1 --encrypt --key "$there")
[ "$(field "$far" KmsKeyId --region eu-west-1)" = "$there" ] || fail "not encrypted with $there"
[ $(($(pack_bytes) - before)) -gt $((24 << 19)) ] || fail "not encrypted anew"
closed=$("$VMLIFT" snapshot copy "$far_copy" --region eu-west-1 --encrypt 2>notes.txt)
grep -qF '[key/made]' notes.txt || fail "the default key is not told"
# A key is for its own region: elsewhere an encrypted one takes the default key.
moved=$("$VMLIFT" snapshot copy "$sealed" --source-region us-east-1 --region eu-west-1)
[ "$(field "$moved" KmsKeyId --region eu-west-1)" = "$(field "$closed" KmsKeyId --region eu-west-1)" ] ||
    fail "not encrypted with the default key"
"$VMLIFT" image deregister sealed >/dev/null 2>&1
"$VMLIFT" snapshot delete "$sealed" >/dev/null
"$VMLIFT" store gc >/dev/null
is_disk "$copy" a.raw
for i in "$far" "$closed" "$moved"; do is_disk "$i" a.raw --region eu-west-1; done
run "$VMLIFT" store verify >stdout.txt
mv "$VMLIFT_STORE/keys" away
expect 6 key/missing "$VMLIFT" snapshot copy "$copy"

echo "--- whose the bytes are"
VMLIFT_STORE=$tmp/owners
truncate -s 40M x.raw
noise x.raw 0 20
cp --sparse=always x.raw y1.raw
noise y1.raw 0 9
truncate -s 40M y2.raw
dd if=y1.raw of=y2.raw bs=512K count=4 seek=30 conv=notrunc status=none # y1's and y2's, nobody else's
noise y2.raw 0 6
mkdir vm
for i in y1 y2; do qemu-img convert -f raw -O vmdk -o subformat=streamOptimized $i.raw vm/$i.vmdk; done
cat >vm/vm.ovf <<'OVF'
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="f1" ovf:href="y1.vmdk"/><File ovf:id="f2" ovf:href="y2.vmdk"/></References>
  <DiskSection><Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="41943040"/>
    <Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="41943040"/></DiskSection>
  <VirtualSystem ovf:id="m"><VirtualHardwareSection>
    <Item><Address>0</Address><InstanceID>3</InstanceID><ResourceSubType>lsilogic</ResourceSubType>
      <ResourceType>6</ResourceType></Item>
    <Item><AddressOnParent>0</AddressOnParent><HostResource>ovf:/disk/d1</HostResource><InstanceID>4</InstanceID>
      <Parent>3</Parent><ResourceType>17</ResourceType></Item>
    <Item><AddressOnParent>1</AddressOnParent><HostResource>ovf:/disk/d2</HostResource><InstanceID>5</InstanceID>
      <Parent>3</Parent><ResourceType>17</ResourceType></Item>
  </VirtualHardwareSection></VirtualSystem>
</Envelope>
OVF
import x.raw >/dev/null
"$VMLIFT" import vm/vm.ovf --name pair >/dev/null 2>notes.txt || fail "$(cat notes.txt)"
import x.raw twin >/dev/null # nothing is its own
truncate -s 10M lone.raw
noise lone.raw 0 5
import lone.raw >/dev/null
"$VMLIFT" image deregister lone.raw >/dev/null # a snapshot without an image
truncate -s 10M gone.raw
noise gone.raw 0 7
gone=$(import gone.raw)
stats=$("$VMLIFT" store stats --json)
jq -e '.garbage < 4096 and .stored == '"$(pack_bytes)" <<<"$stats" >/dev/null || fail "not whole: $stats"
# of 20 blocks each in x and its twin, 20 in y1, 10 in y2, 5 and 7: 20 + 9 + 6 + 5 + 7 are distinct
jq -e '.data == (82 * 524288) and .unique == (47 * 524288) and .compressed <= .unique
    and .compressed < .stored and (.dedup_ratio * .unique - .data | fabs) < 1
    and (.compression_ratio * .compressed - .unique | fabs) < 1' <<<"$stats" >/dev/null || fail "$stats"
# blocks are counted whole on both sides of the ratio, also the one that a disk ends in
head -c 512 /dev/urandom >odd.raw
VMLIFT_STORE=$tmp/odd import odd.raw >/dev/null
VMLIFT_STORE=$tmp/odd "$VMLIFT" store stats --json | jq -e '.dedup_ratio == 1 and .data == 512' >/dev/null ||
    fail "$(VMLIFT_STORE=$tmp/odd "$VMLIFT" store stats)"
"$VMLIFT" image deregister gone.raw >/dev/null
"$VMLIFT" snapshot delete "$gone" >/dev/null
stats=$("$VMLIFT" store stats --json)
garbage=$(jq .garbage <<<"$stats")
near "$garbage" $((7 << 19)) 8192 || fail "7 blocks are garbage, and it says $garbage"
before=$(pack_bytes)
run "$VMLIFT" store gc
freed=$((before - $(pack_bytes)))
# what gc frees beside it is a record, and the last pack has room for its graves
near "$garbage" "$freed" 4096 || fail "garbage $garbage, and gc freed $freed"
[ "$(stat_of .garbage)" -lt 4096 ] || fail "gc left $(stat_of .garbage)"

# Of each image and snapshot: delete it in a copy of the store, and see.
stats=$("$VMLIFT" store stats --json)
[ "$(jq '(.Images | length), (.Snapshots | length)' <<<"$stats" | xargs)" = "3 5" ] || fail "$stats"
jq -r '.Images[] | "image \(.ImageId) \(.frees) \(.Name)"' <<<"$stats" >list.txt
jq -r '.Snapshots[] | "snapshot \(.SnapshotId) \(.frees) -"' <<<"$stats" >>list.txt
cat list.txt
kept=$VMLIFT_STORE
while read -r kind id frees name; do
    rm -rf copy
    cp -r "$kept" copy
    VMLIFT_STORE=$tmp/copy
    before=$(pack_bytes)
    ids=$id
    if [ "$kind" = image ]; then
        ids=$("$VMLIFT" image show "$id" --json | jq -r '.Images[0].BlockDeviceMappings[].Ebs.SnapshotId')
        "$VMLIFT" image deregister "$id" >/dev/null
    else
        user=$("$VMLIFT" image list --json | jq -r '.Images[] | select(any(.BlockDeviceMappings[];
            .Ebs.SnapshotId == "'"$id"'")) | .ImageId')
        [ -z "$user" ] || "$VMLIFT" image deregister "$user" >/dev/null
    fi
    # shellcheck disable=SC2086 # several
    "$VMLIFT" snapshot delete $ids >/dev/null
    "$VMLIFT" store gc >/dev/null
    freed=$((before - $(pack_bytes)))
    near "$frees" "$freed" 6000 ||
        fail "$kind $id $name: frees $frees, and gc freed $freed"
    [ "$kind $name" != "image pair" ] || both=$frees
done <list.txt
VMLIFT_STORE=$kept
# what y's two disks share and nobody else has is freed with the image, and with neither disk alone
apart=$("$VMLIFT" image show pair --json | jq -r '.Images[0].BlockDeviceMappings[].Ebs.SnapshotId' |
    while read -r id; do awk -v id="$id" '$2 == id { print $3 }' list.txt; done | awk '{ n += $1 } END { print n }')
[ $((both - apart)) -ge $((4 << 19)) ] || fail "image pair frees $both, its disks $apart"
"$VMLIFT" store stats --images >text.txt
awk '/^$/ { on = 1; next } on { print $1 }' text.txt | tail -n +2 | diff - <(awk '{ print $2 }' list.txt) >&2 ||
    fail "stats --images"

echo "--- a gc has its turn, however many import without a pause"
VMLIFT_STORE=$tmp/busy
run "$VMLIFT" store init >/dev/null
touch go
for i in 1 2 3 4; do
    truncate -s 4M busy$i.raw
    noise busy$i.raw 0 6
    (
        n=0
        while [ -e go ]; do
            n=$((n + 1))
            "$VMLIFT" import -f raw busy$i.raw --name "busy$i-$n" >/dev/null 2>"busy$i.txt" || exit 1
        done
        echo "$n" >"count$i"
    ) &
done
until [ "$("$VMLIFT" image list | wc -l)" -gt 8 ]; do sleep 0.1; done
for i in 1 2 3 4 5; do
    timeout 60 "$VMLIFT" store gc >/dev/null || { rm go; fail "gc $i had no turn in a minute"; }
done
rm go
wait
for i in 1 2 3 4; do [ -s "count$i" ] || fail "importer $i: $(cat "busy$i.txt")"; done
total=$(cat count1 count2 count3 count4 | awk '{ n += $1 } END { print n }')
[ "$("$VMLIFT" image list | wc -l)" -eq $((1 + total)) ] ||
    fail "images are missing: not $total"
run "$VMLIFT" store verify

echo "--- a file system that other machines may share"
# FUSE is one that can be had here
if command -v bindfs >/dev/null && mkdir real shared && bindfs real shared 2>notes.txt; then
    trap 'fusermount -u "$tmp/shared" || umount "$tmp/shared"; rm -rf "$tmp"' EXIT
    VMLIFT_STORE=$tmp/shared/deep/store
    expect 5 store/shared-fs "$VMLIFT" store init
    expect 5 store/shared-fs "$VMLIFT" import -f raw a.raw --name first
    expect 5 store/shared-fs "$VMLIFT" key create
    [ -z "$(ls real)" ] || fail "something was made: $(ls real)"
    run "$VMLIFT" import -f raw a.raw --name first --shared-fs >/dev/null 2>&1
    id=$("$VMLIFT" snapshot list --json 2>notes.txt | jq -r '.Snapshots[0].SnapshotId')
    grep -qF '[store/shared-fs]' notes.txt || fail "no note: $(cat notes.txt)"
    is_disk "$id" a.raw 2>/dev/null
    before=$(cd real && find . -type f -exec sha256sum {} + | grep -v 'catalog.db-' | sort)
    for i in "import -f raw a.raw --name second" "image deregister first" "snapshot copy $id" "snapshot delete $id" \
        "key create" "store init" "store gc" "store rebuild"; do
        # shellcheck disable=SC2086 # words
        expect 5 store/shared-fs "$VMLIFT" $i
    done
    [ "$(cd real && find . -type f -exec sha256sum {} + | grep -v 'catalog.db-' | sort)" = "$before" ] ||
        fail "what was refused changed something"
    run "$VMLIFT" snapshot copy "$id" --shared-fs >/dev/null
    run "$VMLIFT" store gc --shared-fs >/dev/null
    run "$VMLIFT" store rebuild --shared-fs >/dev/null
    VMLIFT_STORE=$tmp/real/deep/store # the same folder, as it is
    run "$VMLIFT" store gc >/dev/null
else
    echo "left out: no FUSE file system to be had: $(cat notes.txt 2>/dev/null || echo bindfs is not installed)"
fi
