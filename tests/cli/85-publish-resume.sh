#!/usr/bin/env bash
# A publish that is killed anywhere is gone on with: one snapshot, one AMI, the right bytes, and nothing is
# sent twice but what was on its way.
. "$(dirname "$0")/../functions.sh"
requires python3 jq timeout flock
"$VMLIFT" serve --help >/dev/null 2>&1 || exit 77
"$VMLIFT" publish --help >/dev/null 2>&1 || exit 77

# shellcheck disable=SC2119 # it has no options here
serve
"$VMLIFT" serve key add --store store --account 111122223333 --json >key.json
AWS_ACCESS_KEY_ID=$(jq -r .AccessKeyId key.json) AWS_SECRET_ACCESS_KEY=$(jq -r .SecretAccessKey key.json)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL=$endpoint AWS_REGION=us-east-1
export AWS_EC2_METADATA_DISABLED=true VMLIFT_STORE=$tmp/mine HOME=$tmp

blocks=300 connections=4
python3 -c "
import random, sys
r = random.Random(85)
sys.stdout.buffer.write(b''.join(r.randbytes(524288) for _ in range($blocks)))" >disk.raw

mine() { "$VMLIFT" "$1" list --store store --account 111122223333 --json; }
puts() { grep -c 'PUT .*/blocks/' server.log || true; }
publish() {
    "$VMLIFT" publish disk.raw --arch x86_64 --force-boot --connections $connections "$@"
}
check() { # NAME
    mine image >images.json
    [ "$(jq --arg n "$1" '[.Images[] | select(.Name == $n)] | length' images.json)" -eq 1 ] || fail "not one AMI $1"
    mine snapshot >snapshots.json
    [ "$(jq --arg n "$1, disk 1" '[.Snapshots[] | select(.Description | startswith($n))] | length' snapshots.json)" -eq 1 ] ||
        fail "not one snapshot of $1: $(cat snapshots.json)"
    rm -f there.raw
    "$VMLIFT" export --store store --account 111122223333 "$1" there.raw
    cmp -n $((blocks * 524288)) there.raw disk.raw || fail "$1 has other bytes"
}

# begun: there is a job, and who was killed over it is gone.
begun() {
    local job
    for job in mine.publish/jobs/*/job; do
        [ -f "$job" ] || continue
        flock -w 10 "$(dirname "$job")" true || fail "somebody is still at it"
        return 0
    done
    return 1
}

start=$(date +%s%N)
publish --name whole >/dev/null 2>&1
took=$((($(date +%s%N) - start) / 1000000))
check whole

# killed after parts of that time, twice, then gone on with
killed=0
for n in 1 2 3 4 5 6 7 8; do
    name=killed-$n before=$(puts)
    for part in $n $((9 - n)); do
        resume=()
        ! begun || resume=(--resume)
        ms=$((took * part / 10))
        timeout -s KILL "$((ms / 1000)).$(printf %03d $((ms % 1000)))" \
            "$VMLIFT" publish disk.raw --arch x86_64 --force-boot --connections $connections --name "$name" \
            "${resume[@]}" >/dev/null 2>&1 && continue
        killed=$((killed + 1))
    done
    if begun; then
        expect 6 publish/begun publish --name "$name"
        publish --name "$name" --resume >/dev/null 2>&1 || fail "$name is not gone on with"
    elif [ "$(mine image | jq --arg n "$name" '[.Images[] | select(.Name == $n)] | length')" -eq 0 ]; then
        publish --name "$name" >/dev/null 2>&1
    fi
    check "$name"
    sent=$(($(puts) - before))
    [ $sent -le $((blocks + 2 * connections)) ] || fail "$name: $sent blocks sent, of $blocks"
    [ -z "$(ls mine.publish/jobs)" ] || fail "$name is still noted"
done
[ $killed -gt 3 ] || fail "only $killed were killed"

# interrupted: it is told how to go on, and what is left; --discard removes it
timeout -s INT "0.$(printf %03d $((took > 1900 ? 950 : took / 2)))" \
    "$VMLIFT" publish disk.raw --arch x86_64 --force-boot --connections 1 --name stopped >out.txt 2>&1 || status=$?
if [ "${status-0}" -eq 124 ] && grep -qF '[publish/left]' out.txt; then
    grep -qF '[publish/resume]' out.txt || fail "not told how to go on: $(cat out.txt)"
    grep -qF 'aws ec2 delete-snapshot' out.txt || fail "no command: $(cat out.txt)"
fi
publish --name stopped --discard >/dev/null 2>&1 || publish --name stopped >/dev/null 2>&1 || true
check stopped

# what cannot be reached leaves a job, which one process at a time goes on with
export AWS_ENDPOINT_URL_EBS=http://127.0.0.1:9
expect 7 aws/connect "$VMLIFT" publish disk.raw --arch x86_64 --force-boot --name busy
grep -qF '[publish/resume]' stderr || fail "not told how to go on: $(cat stderr)"
begun || fail "nothing is noted of it"
expect 5 publish/busy flock mine.publish/jobs/* \
    "$VMLIFT" publish disk.raw --arch x86_64 --force-boot --name busy --resume
expect 7 aws/connect "$VMLIFT" publish disk.raw --arch x86_64 --force-boot --name busy --resume
