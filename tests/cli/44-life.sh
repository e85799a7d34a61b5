#!/usr/bin/env bash
# What an owner does to AMIs once they are there: tags, attributes, deprecation, disabling, protection,
# deregistration; each by EC2's rules and with its error codes, and each with a line of history.
. "$(dirname "$0")/../functions.sh"
requires jq

export VMLIFT_STORE=$tmp/store
stranger=210987654321

# is WANTED GOT: what was printed
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}
# show AMI FILTER, and of a snapshot
show() {
    "$VMLIFT" image show --json "$1" | jq -r ".Images[0] | $2"
}
show_snapshot() {
    "$VMLIFT" snapshot show --json "$1" | jq -r ".Snapshots[0] | $2"
}
tags='[.Tags[] | "\(.Key)=\(.Value)"] | join(" ")'
# events AMI: what was done, in one line
events() {
    "$VMLIFT" image history --json "$1" | jq -r '[.Events[].Action] | join(" ")'
}
# last AMI: the last line of its history, action and detail
last() {
    "$VMLIFT" image history --json "$1" | jq -r '.Events[-1] | "\(.Action): \(.Detail)"'
}
# at SECONDS COMMAND...: when the clock says that many seconds more than now
at() {
    local later=$(($(date +%s) + $1))
    shift
    SOURCE_DATE_EPOCH=$later "$@"
}
# refused SLUG WORDS...: EC2 says no, and nothing happened to $web
refused() {
    local before
    before=$("$VMLIFT" image history "$web")
    expect 5 "$1" "$VMLIFT" "${@:2}"
    is "$before" "$("$VMLIFT" image history "$web")"
}

head -c 1M /dev/urandom >root.raw
head -c 1M /dev/urandom >data.raw
web=$("$VMLIFT" import root.raw --name web --tag Env=Prod 2>/dev/null)
db=$("$VMLIFT" import data.raw --name web-db 2>/dev/null)
snap=$(show web '.BlockDeviceMappings[0].Ebs.SnapshotId')
is import "$(events web)"
is "import $web" "$("$VMLIFT" snapshot history --json "$snap" | jq -r '.Events[] | "\(.Action) \(.Detail)"')"

# --- tags

is "$web
$db" "$("$VMLIFT" image tag web "$db" --tag Team=Süd --tag Empty=)"
is 'Empty= Env=Prod Team=Süd' "$(show web "$tags")"
is 'Empty= Team=Süd' "$(show "$db" "$tags")"
is 'tag: Team=Süd, Empty=' "$(last web)"
run "$VMLIFT" image tag web --tag Env=Test --tag Team=Süd # of what is so already history says nothing
is 'Empty= Env=Test Team=Süd' "$(show web "$tags")"
is 'tag: Env=Test' "$(last web)"
run "$VMLIFT" image tag web --tag Env=Test
is 'import tag tag' "$(events web)"
"$VMLIFT" image tag web --tag 'K=1=2' --json | jq -e '.Images[0].Tags | any(.Key == "K" and .Value == "1=2")' \
    >/dev/null || fail "tag --json without the tag"
run "$VMLIFT" image untag web --tag Env=Prod --tag Empty=x --tag None # neither is so
is 'import tag tag tag' "$(events web)"
run "$VMLIFT" image untag web --tag K --tag Env=Test --tag Empty=
is 'Team=Süd' "$(show web "$tags")"
is 'untag: K=1=2, Env=Test, Empty=' "$(last web)"

many=$(printf -- ' --tag k%02d=' {1..49})
# shellcheck disable=SC2086
run "$VMLIFT" image tag web $many >/dev/null
is 50 "$(show web '.Tags | length')"
grep -q '\.\.\.$' <<<"$(last web)" || fail "history keeps more than it has room for: $(last web)"
refused TagLimitExceeded image tag web --tag more=
run "$VMLIFT" image tag web --tag k01=v >/dev/null # in place of one that is there
is v "$(show web '.Tags[] | select(.Key == "k01").Value')"
refused InvalidTagKey.Malformed image tag web --tag aws:x=y
refused InvalidTagKey.Malformed image tag web --tag AWS:x=y
refused InvalidTagKey.Malformed image tag web --tag =y
refused InvalidTagKey.Malformed image untag web --tag aws:x
refused InvalidParameterValue image tag web --tag "k01=$(printf 'x%.0s' {1..257})"
refused InvalidParameterValue image tag web --tag k01=a --tag k01=b
expect 2 usage/tag "$VMLIFT" image tag web --tag Env
expect 2 usage/tag "$VMLIFT" image tag web
expect 2 usage/tag "$VMLIFT" image untag web
expect 6 InvalidAMIID.NotFound "$VMLIFT" image tag web --tag a=b --region eu-west-1
expect 6 InvalidAMIID.NotFound "$VMLIFT" image tag web --tag a=b --account $stranger

# Of several AMIs those before the refused one are done, and it is said.
expect 6 InvalidAMIID.NotFound "$VMLIFT" image tag web-db nothing web --tag Round=2
grep -q '^vmlift: nothing: ' stderr || fail "the refused one is not named"
is 1 "$(grep -c 'note: web-db: .*\[cli/done\]' stderr)"
is "$db" "$(cat stdout)"
is 2 "$(show web-db '.Tags[] | select(.Key == "Round").Value')"
is '' "$(show web '.Tags[] | select(.Key == "Round").Value')"

is "$snap" "$("$VMLIFT" snapshot tag "$snap" --tag Env=Prod --tag X=)"
is 'Env=Prod X=' "$(show_snapshot "$snap" "$tags")"
run "$VMLIFT" snapshot untag "$snap" --tag X
is 'Env=Prod' "$(show_snapshot "$snap" "$tags")"
is 'tag: Env=Prod, X=
untag: X=' "$("$VMLIFT" snapshot history --json "$snap" | jq -r '.Events[-2:][] | "\(.Action): \(.Detail)"')"
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot history "$snap" --account $stranger
expect 5 InvalidTagKey.Malformed "$VMLIFT" snapshot tag "$snap" --tag aws:x=

# --- attributes

run "$VMLIFT" image modify web --description 'a web server' --imds v2.0 --product-code abc123
is 'a web server' "$(show web .Description)"
is 'modify: imds=v2.0, product-code=abc123, description=a web server' "$(last web)"
n=$(events web | wc -w)
run "$VMLIFT" image modify web --imds v2.0 --product-code abc123
is "$n" "$(events web | wc -w)"
run "$VMLIFT" image modify web --description ''
is '' "$(show web .Description)"
refused InvalidParameterValue image modify web --imds v1.0
refused InvalidParameterValue image modify web --product-code a-b --description never
refused InvalidParameterValue image modify web --description "$(printf 'x%.0s' {1..256})"
refused InvalidParameterValue image modify web --description $'caf\xe9'
expect 2 usage/nothing "$VMLIFT" image modify web

# --- deprecation: date says which day that is

run "$VMLIFT" image deprecate web --at 2031-02-28T12:30:29Z # to the nearest minute
is 'deprecate: at 2031-02-28T12:30Z' "$(last web)"
is 2031-02-28T12:30:00.000Z "$(show web .DeprecationTime)"
run "$VMLIFT" image deprecate web --at 2031-02-28T12:30:30.000Z
is 'deprecate: at 2031-02-28T12:31Z' "$(last web)"
run "$VMLIFT" image deprecate web --at 2031-12-31
is 'deprecate: at 2031-12-31T00:00Z' "$(last web)"
early=$(date -u -d '+1000 days +30 seconds' +%Y-%m-%dT%H:%MZ)
run "$VMLIFT" image deprecate web --at +1000
late=$(date -u -d '+1000 days +30 seconds' +%Y-%m-%dT%H:%MZ)
[[ $(last web) = "deprecate: at $early" || $(last web) = "deprecate: at $late" ]] || fail "$(last web), not $early"
run "$VMLIFT" image deprecate web --at "$(date -u -d '+10 years -1 minute' +%Y-%m-%dT%H:%MZ)"
refused InvalidParameterValue image deprecate web --at "$(date -u -d '+10 years +2 minutes' +%Y-%m-%dT%H:%MZ)"
refused InvalidParameterValue image deprecate web --at 2020-01-01
grep -q 'in the past: 2020-01-01T00:00:00.000Z' stderr || fail "$(cat stderr)"
run "$VMLIFT" image deprecate web --cancel
is 'cancel-deprecation: ' "$(last web)"
is null "$(show web .DeprecationTime)"
for wrong in tomorrow 2031-02-29 2031-13-01 2031-12-31T25:00Z 2031-12-31T12:00 +1d + +100001 '' 1900000000; do
    expect 2 usage/when "$VMLIFT" image deprecate web --at "$wrong"
done
expect 2 usage/when "$VMLIFT" image deprecate web
expect 2 usage/when "$VMLIFT" image deprecate web --cancel --at +1

# A public AMI is deprecated 2 years after its creation, of itself, and can only be so before that.
run "$VMLIFT" image deprecate web-db --at +1000
run "$VMLIFT" image share web-db --public
created=$(show web-db .CreationDate)
is "$(date -u -d "$created +2 years" +%Y-%m-%dT%H:%M:00.000Z)" "$(show web-db .DeprecationTime)"
expect 5 InvalidParameterValue "$VMLIFT" image deprecate web-db --at +1000
expect 5 OperationNotPermitted "$VMLIFT" image deprecate web-db --cancel
expect 5 OperationNotPermitted "$VMLIFT" image modify web-db --product-code abc123
run "$VMLIFT" image deprecate web-db --at +100
run "$VMLIFT" image unshare web-db --public
run "$VMLIFT" image deprecate web-db --cancel

# --- disabling

run "$VMLIFT" image share web --with $stranger
run "$VMLIFT" image disable web
is disabled "$(show web .State)"
is "disable: no longer shared with $stranger" "$(last web)"
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show "$web" --account $stranger
refused IncorrectState image disable web
expect 5 InvalidAMIName.Duplicate "$VMLIFT" import root.raw --name web # it keeps its name
expect 5 InvalidSnapshot.InUse "$VMLIFT" snapshot delete "$snap"       # and its snapshots
expect 5 IncorrectState "$VMLIFT" image share web --with $stranger
run "$VMLIFT" image enable web
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show "$web" --account $stranger # permission does not come back
is available "$(show web .State)"
refused IncorrectState image enable web

# --- protection: with a clock that is set forward

protection=.DeregistrationProtection
is disabled "$(show web $protection)"
run "$VMLIFT" image protect web
is enabled-without-cooldown "$(show web $protection)"
refused OperationNotPermitted image deregister web
refused OperationNotPermitted image deregister web --delete-snapshots
run "$VMLIFT" image protect web --with-cooldown
is 'protect: with cooldown' "$(last web)"
is enabled-with-cooldown "$(show web $protection)"
refused OperationNotPermitted image protect web # the cooldown is not to be got around
run "$VMLIFT" image protect web --off
is 'unprotect: holds for another 24 hours' "$(last web)"
run "$VMLIFT" image protect web --off # does not begin anew
refused OperationNotPermitted image deregister web
refused OperationNotPermitted image protect web
is cooldown "$(show web $protection)"
at 86300 refused OperationNotPermitted image deregister web
is disabled "$(at 86500 show web $protection)"
at 86500 "$VMLIFT" image protect web >/dev/null
run "$VMLIFT" image protect web --off
is 'unprotect: ' "$(last web)"
expect 2 usage/protect "$VMLIFT" image protect web --off --with-cooldown

# --- deregistration

copy=$("$VMLIFT" import root.raw --name root-again 2>/dev/null) # the same blocks, other snapshots
is "$snap" "$("$VMLIFT" image deregister web 2>notes)"
grep -q "go on to cost: \"vmlift snapshot delete $snap\" deletes them \[image/snapshots-stay\]" notes ||
    fail "not how to be rid of the snapshots: $(cat notes)"
expect 6 InvalidAMIID.Unavailable "$VMLIFT" image deregister "$web"
grep -q "The image id '\[$web\]' is no longer available" stderr || fail "not EC2's words"
for verb in 'tag --tag a=b' 'untag --tag a' 'modify --description x' 'deprecate --at +1' disable enable protect; do
    # shellcheck disable=SC2086
    expect 6 InvalidAMIID.Unavailable "$VMLIFT" image $verb "$web"
done
run "$VMLIFT" snapshot delete "$snap" # as the note says
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot show "$snap"

# Its history stays, for its owner, by its ID.
is deregister "$(events "$web" | grep -o '[a-z-]*$')"
expect 6 InvalidAMIID.NotFound "$VMLIFT" image history "$web" --account $stranger
expect 6 InvalidAMIID.NotFound "$VMLIFT" image history "$web" --region eu-west-1
"$VMLIFT" image history "$web" | grep -qE '^[0-9-]{10}T[0-9:]{8}Z +000000000000 +disable +no longer shared with ' ||
    fail "no line of disabling"
is 'import tag tag tag untag tag tag modify modify deprecate deprecate deprecate deprecate deprecate cancel-deprecation share disable enable protect protect unprotect protect unprotect deregister' \
    "$(events "$web")"

other=$(show "$copy" '.BlockDeviceMappings[0].Ebs.SnapshotId')
is "$other success" "$("$VMLIFT" image deregister root-again --delete-snapshots 2>notes)"
[ ! -s notes ] || fail "what is there to say? $(cat notes)"
is "deregister: deleted $other" "$(last "$copy")"
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot show "$other"
third=$(show web-db '.BlockDeviceMappings[0].Ebs.SnapshotId')
"$VMLIFT" image deregister --json --delete-snapshots web-db | jq -e --arg s "$third" --arg a "$db" \
    '.Images == [{ImageId: $a, SnapshotIds: [$s],
        DeleteSnapshotResults: [{SnapshotId: $s, ReturnCode: "success"}]}]' >/dev/null ||
    fail "not what EC2 reports"
is 0 "$("$VMLIFT" snapshot list --json | jq '.Snapshots | length')"

# --- and the store is whole: history is in the packs, too

before=$("$VMLIFT" image history "$web")
run "$VMLIFT" store gc
run "$VMLIFT" store verify
rm store/catalog.db
run "$VMLIFT" store rebuild
is "$before" "$("$VMLIFT" image history "$web")"
