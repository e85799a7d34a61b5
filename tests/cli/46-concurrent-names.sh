#!/usr/bin/env bash
# Many processes at one registry: of 8 that want one name at once one gets it and seven are told
# InvalidAMIName.Duplicate, and of changes to one AMI none is lost.
. "$(dirname "$0")/../functions.sh"
requires jq

export VMLIFT_STORE=$tmp/store
rounds=${ROUNDS:-12}

# is WANTED GOT: what was printed
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}
# at_once COMMAND...: 8 times, with the number as the last word, as nearly at once as can be: all wait
# for one file.  What number N says is in out.N and err.N.
at_once() {
    local n
    rm -f go out.? err.?
    for n in {1..8}; do
        (
            until [ -e go ]; do :; done
            "$@" "$n"
        ) >"out.$n" 2>"err.$n" &
    done
    touch go
    wait
}
# one_wins: of what at_once has done
one_wins() {
    is 1 "$(cat out.? | grep -c '^ami-')"
    is 7 "$(cat err.? | grep -c '\[InvalidAMIName.Duplicate\]')"
    is 7 "$(cat err.? | grep -vc note:)"
    is "$(cat out.?)" "$("$VMLIFT" image show --json "$1" | jq -r '.Images[0].ImageId')"
}

# Disks of one block, another for each process: it is not the content that decides.
for n in {1..8}; do
    head -c 512K /dev/urandom >"disk.$n"
done
import_one() {
    exec "$VMLIFT" import -f raw "disk.$2" --name "$1"
}
for ((i = 1; i <= rounds; i++)); do
    at_once import_one "imported $i"
    one_wins "imported $i"
done
is "$rounds" "$("$VMLIFT" image list --json | jq '.Images | length')"
is "$rounds" "$("$VMLIFT" snapshot list --json | jq '.Snapshots | length')" # the others left none

snap=$("$VMLIFT" image show --json "$(cat out.?)" | jq -r '.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId')
register_one() {
    exec "$VMLIFT" image register --snapshot "$snap" --name "$1"
}
for ((i = 1; i <= rounds; i++)); do
    at_once register_one "registered $i"
    one_wins "registered $i"
done
is $((2 * rounds)) "$("$VMLIFT" image list --json | jq '.Images | length')"

# Of a name that is given up one of those that wait for it gets it.
"$VMLIFT" image deregister 'registered 1' >/dev/null 2>&1
at_once register_one 'registered 1'
one_wins 'registered 1'

# --- tags of one AMI from all sides

ami=$("$VMLIFT" import -f raw disk.1 --name tagged 2>/dev/null)
tag_one() {
    local i
    for i in {1..4}; do
        "$VMLIFT" image tag "$1" --tag "n$2-$i=$i" || exit
        "$VMLIFT" image tag "$1" --tag last="$2" || exit
    done
}
at_once tag_one "$ami"
is '' "$(cat err.?)"
is 33 "$("$VMLIFT" image show --json "$ami" | jq '.Images[0].Tags | length')"
# every one that changed something is in the history, and nothing else
"$VMLIFT" image history --json "$ami" | jq -e '.Events | [.[] | select(.Action == "tag")] |
    ([.[].Detail | select(startswith("n"))] | unique | length) == 32' >/dev/null || fail "a tag without a line"

# --- one deregistration of eight does it

deregister_one() {
    exec "$VMLIFT" image deregister --delete-snapshots "$1"
}
at_once deregister_one "$ami"
is 1 "$(cat out.? | grep -c success)"
is 7 "$(cat err.? | grep -c '\[InvalidAMIID.Unavailable\]')"
run "$VMLIFT" store verify
