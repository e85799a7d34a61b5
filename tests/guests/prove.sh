# shellcheck shell=bash
# The proof that a guest runs as an AMI does: prepared, imported, exported, and started with an NVMe disk and
# the firmware that its image asks for; it asks for a login, and has got an address by DHCP.  Wants
# functions.sh and machine.sh before it.

: "${root:?}"

# proof GUEST: prints a line of a table: seconds of prep, what it changed, seconds to the login
proof() {
    local guest=$1 firmware=nvme_bios start=$SECONDS raw changes prepared ami
    rm -f prepared.raw
    raw=$("$root/tests/guests/make.sh" "$guest")
    "$VMLIFT" prep --json "$raw" prepared.raw >prep.json 2>prep.err || fail "$guest: $(cat prep.err)"
    prepared=$((SECONDS - start))
    changes=$(jq '.changes | length' prep.json)
    ami=$("$VMLIFT" import prepared.raw --name "$guest")
    [ "$("$VMLIFT" image show "$ami" --json | jq -r '.Images[0].BootMode')" != uefi ] || firmware=nvme_uefi
    run "$VMLIFT" export "$ami" "$guest.raw"
    start=$SECONDS
    $firmware 420 "address: 10\.0\.2\.15[[:space:]]+$guest login:" "$guest.raw" || {
        cat prep.json serial >&2
        fail "$guest: no login with an address"
    }
    rm "$guest.raw"
    echo "| $guest | $prepared | $changes | $((SECONDS - start)) |"
}

# fixpoint GUEST: a second run of prep, after proof, has nothing to change
fixpoint() {
    "$VMLIFT" prep --dry-run --json prepared.raw >again.json 2>again.err || fail "$1: $(cat again.err)"
    [ "$(jq '.changes | length' again.json)" -eq 0 ] || fail "$1: prep is not done: $(cat again.json)"
}

# failure: the guest of /dev/sdX, not prepared, fails as check says; prints check's words and the machine's
failure() {
    local raw said device
    raw=$("$root/tests/guests/make.sh" names)
    "$VMLIFT" check --target aws --json "$raw" >check.json && fail "check finds no fault in names"
    said=$(jq -r '.. | objects | select(.slug? == "target/kernel-root") | .text' check.json)
    device=$(grep -oE '/dev/sd[a-z][0-9]+ does not exist' <<<"$said") || fail "what check says: $(cat check.json)"
    nvme_bios 300 "ALERT! +$device" "$raw" || {
        cat serial >&2
        fail "not $device"
    }
    printf '%s\n' "check: $said" "the machine: $(grep -aoE 'ALERT! .*' serial | tr -d '\r')"
}
