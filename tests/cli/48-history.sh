#!/usr/bin/env bash
# Every verb that changes an AMI or a snapshot leaves one line of history for it, in the same commit.  The
# verbs are those that the help lists, so a new one fails here until it says what it does.
. "$(dirname "$0")/../functions.sh"
requires jq

export VMLIFT_STORE=$tmp/store
friend=222222222222

# verbs GROUP: as its help lists them
verbs() {
    "$VMLIFT" "$1" --help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p'
}
# lines GROUP ID: of history, as "account action detail"
lines() {
    "$VMLIFT" "$1" history --json "$2" | jq -r '.Events[] | "\(.Account) \(.Action) \(.Detail)"'
}
# leaves GROUP ACTION ID WORDS...: one line more, which says ACTION, and by whom
leaves() {
    local group=$1 action=$2 id=$3 before after
    before=$(lines "$group" "$id")
    run "$VMLIFT" "$group" "${@:4}" >/dev/null 2>notes || fail "$group ${*:4}: $(cat notes)"
    after=$(lines "$group" "$id")
    [ "$before" = "$(head -n -1 <<<"$after")" ] || fail "$group ${*:4}: history was
$before
and is
$after"
    grep -q "^000000000000 $action " <<<"$(tail -n 1 <<<"$after")" ||
        fail "$group ${*:4}: $(tail -n 1 <<<"$after")"
}
# begins GROUP ACTION ID: what is new has one line
begins() {
    [ "$(lines "$1" "$3" | wc -l)" = 1 ] || fail "$1 $2: $(lines "$1" "$3")"
    lines "$1" "$3" | grep -q "^000000000000 $2 " || fail "$1 $2: $(lines "$1" "$3")"
}
root() {
    "$VMLIFT" image show --json "$1" | jq -r '.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId'
}

head -c 1M /dev/urandom >disk.raw
ami=$("$VMLIFT" import disk.raw --name web 2>/dev/null)
snap=$(root "$ami")
begins image import "$ami"
begins snapshot import "$snap"

for verb in $(verbs image); do
    case $verb in
    list | show | history) ;; # these change nothing
    register)
        other=$("$VMLIFT" image register --name registered --snapshot "$snap")
        begins image register "$other"
        ;;
    create)
        other=$("$VMLIFT" image create --name created --from-image "$ami" 2>/dev/null)
        begins image create "$other"
        begins snapshot create "$(root "$other")"
        ;;
    copy)
        other=$("$VMLIFT" image copy "$ami" --name copied)
        begins image copy "$other"
        begins snapshot copy "$(root "$other")"
        ;;
    share)
        leaves image share "$ami" share web --with $friend
        leaves image share "$ami" share web --with 333333333333 --with-snapshots
        [ "$(lines snapshot "$snap" | tail -n 1 | cut -d' ' -f2)" = share ] || fail "not of the snapshot"
        ;;
    unshare) leaves image unshare "$ami" unshare web --with 333333333333 --with-snapshots ;;
    tag) leaves image tag "$ami" tag web --tag Env=Prod ;;
    untag) leaves image untag "$ami" untag web --tag Env ;;
    modify) leaves image modify "$ami" modify web --description new ;;
    deprecate)
        leaves image deprecate "$ami" deprecate web --at +10
        leaves image cancel-deprecation "$ami" deprecate web --cancel
        ;;
    disable) leaves image disable "$ami" disable web ;;
    enable) leaves image enable "$ami" enable web ;;
    protect)
        leaves image protect "$ami" protect web
        leaves image unprotect "$ami" protect web --off
        ;;
    deregister)
        other=$("$VMLIFT" import disk.raw --name gone 2>/dev/null)
        leaves image deregister "$other" deregister gone --delete-snapshots
        ;;
    prune)
        other=$("$VMLIFT" import disk.raw --name old-1 2>/dev/null)
        "$VMLIFT" import disk.raw --name old-2 >/dev/null 2>&1
        leaves image prune "$other" prune --name 'old-*' --keep-last 1
        ;;
    *) fail "image $verb: does it leave a line?" ;;
    esac
done
# An account gives up its permission: the owner's history says who it was.
"$VMLIFT" image share web --with $friend >/dev/null 2>&1
"$VMLIFT" image unshare web --me --account $friend >/dev/null
lines image "$ami" | tail -n 1 | grep -q "^$friend leave " || fail "$(lines image "$ami" | tail -n 1)"

for verb in $(verbs snapshot); do
    case $verb in
    list | show | history | diff) ;;
    copy)
        other=$("$VMLIFT" snapshot copy "$snap")
        begins snapshot copy "$other"
        ;;
    share) leaves snapshot share "$snap" share "$snap" --with $friend ;;
    unshare) leaves snapshot unshare "$snap" unshare "$snap" --with $friend ;;
    tag) leaves snapshot tag "$snap" tag "$snap" --tag Env=Prod ;;
    untag) leaves snapshot untag "$snap" untag "$snap" --tag Env ;;
    delete) # takes its history with it
        other=$("$VMLIFT" snapshot copy "$snap")
        "$VMLIFT" snapshot delete "$other"
        expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot history "$other"
        ;;
    *) fail "snapshot $verb: does it leave a line?" ;;
    esac
done
