# shellcheck shell=bash disable=SC2034,SC2154
# The UEFI guest with a GPT whose first copy is overwritten.
from=uefi

table() {
    cp --sparse=always "$cache/uefi.raw" "$1"
    printf 'damage%.0s' {1..2816} | dd of="$1" bs=512 seek=1 conv=notrunc status=none
}
