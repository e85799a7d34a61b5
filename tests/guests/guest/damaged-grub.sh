# shellcheck shell=bash disable=SC2034,SC2154
# The BIOS guest with nothing between its first sector and its partition.
from=bios

table() {
    cp --sparse=always "$cache/bios.raw" "$1"
    dd if=/dev/zero of="$1" bs=512 seek=1 count=2047 conv=notrunc status=none
}
