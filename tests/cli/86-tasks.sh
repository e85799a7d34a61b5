#!/usr/bin/env bash
# VM Import/Export of the endpoint: objects in a folder that stands for buckets become snapshots and
# images, and images objects, while other requests are answered.
. "$(dirname "$0")/../functions.sh"
requires python3 qemu-img jq
"$VMLIFT" serve --help >/dev/null || exit 77 # built without

for name in alice bob; do
    run "$VMLIFT" serve key add --store store --json --account "$([ $name = alice ] && echo 111122223333 || echo 444455556666)" >$name.json
done

# --- objects
mkdir -p buckets/images/deep/er buckets/exports outside
head -c 3000000 /dev/urandom >disk.raw
truncate -s 128M disk.raw
printf '\x55\xaa' | dd of=disk.raw bs=1 seek=510 conv=notrunc status=none
head -c 1000000 /dev/urandom >data.raw
truncate -s 40M data.raw
SOURCE_DATE_EPOCH=0 run "$VMLIFT" convert -O vmdk disk.raw buckets/images/disk.vmdk
run "$VMLIFT" convert -O vmdk data.raw "buckets/images/deep/er/da ta+1.vmdk"
run "$VMLIFT" convert -O ova disk.raw buckets/images/machine.ova
cp --sparse=always disk.raw buckets/images/disk.raw
qemu-img convert -O vpc -o subformat=dynamic,force_size=on disk.raw buckets/images/disk.vhd
qemu-img convert -O vhdx disk.raw buckets/images/disk.vhdx
qemu-img convert -O vmdk disk.raw buckets/images/sparse.vmdk
head -c 100000 buckets/images/disk.vmdk >buckets/images/short.vmdk
cp buckets/images/disk.vmdk outside/
ln -s "$PWD/outside/disk.vmdk" buckets/images/link.vmdk
ln -s "$PWD/outside" buckets/images/folder
ln -s "$PWD/outside" buckets/linked
mkfifo buckets/images/pipe
# One that takes a while.
head -c 400000000 /dev/urandom >buckets/images/large.raw

serve
python3 -B "$tests/tasks.py" none
stop_server
serve --buckets buckets
python3 -B "$tests/tasks.py" all
stop_server

# --- what came of them
while read -r name id; do
    run "$VMLIFT" export --store store --account 111122223333 "$id" "$name.got.raw"
    same "$name.got.raw" "${name%%.*}.raw"
done <made.txt
for format in vmdk vhd raw; do
    found=(buckets/exports/to/export-ami-*."$format")
    [ ${#found[@]} -eq 1 ] || fail "not one export as $format: ${found[*]}"
    run "$VMLIFT" compare "${found[0]}" disk.raw
    qemu-img compare -f "${format/vhd/vpc}" -F raw "${found[0]}" disk.raw >/dev/null || fail "qemu-img: ${found[0]} is another disk"
done
"$VMLIFT" info --json buckets/exports/to/export-ami-*.vmdk | jq -e '.subformat == "streamOptimized"' >/dev/null
[ "$(ls outside)" = disk.vmdk ] || fail "something is outside: $(ls outside)"

# --- a server that is stopped gives a task up, and leaves nothing of it
list_snapshots() {
    "$VMLIFT" snapshot list --store store --account 111122223333 --json | grep -o 'snap-[0-9a-f]*' | sort -u
}
list_snapshots >before.txt
serve --buckets buckets
python3 -B "$tests/tasks.py" begin
stop_server
list_snapshots >after.txt
same before.txt after.txt
run "$VMLIFT" store verify --store store
expect 2 usage/buckets "$VMLIFT" serve --store store --buckets nowhere
