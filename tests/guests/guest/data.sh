# shellcheck shell=bash disable=SC2034
# A data disk: a GPT with one ext4, and nothing that starts.
from=

table() {
    truncate -s 256M "$1"
    printf '%s\n' 'label: gpt' 'label-id: 0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1c007' 'type=L,name=data' | sfdisk -q "$1"
}
fill() {
    mkdir -p data/customers
    seq 100000 >data/customers/list
    ext4 "$1" 1 254 0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b007 data data
}
