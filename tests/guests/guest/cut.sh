# shellcheck shell=bash disable=SC2034,SC2154
# The first half of the UEFI guest: a copy that broke off.
from=uefi

table() {
    cp --sparse=always "$cache/uefi.raw" "$1"
    truncate -s 1G "$1"
}
