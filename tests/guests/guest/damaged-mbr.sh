# shellcheck shell=bash disable=SC2034,SC2154
# The BIOS guest without its first sector.
from=bios

table() {
    cp --sparse=always "$cache/bios.raw" "$1"
    dd if=/dev/zero of="$1" bs=512 count=1 conv=notrunc status=none
}
