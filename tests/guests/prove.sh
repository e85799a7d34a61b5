# shellcheck shell=bash
# The proof that a guest runs as an AMI does: prepared, imported, exported, and started with an NVMe disk.
# Wants functions.sh and machine.sh before it, and VMLIFT_STORE.

# proof GUEST RAW
proof() {
    local guest=$1 firmware=nvme_bios words="$1 login:" start=$SECONDS ami
    run "$VMLIFT" prep "$2" prepared.raw >"$guest.prep" || fail "$guest: prep ends with $?"
    echo "$guest: prepared in $((SECONDS - start)) s" >&2
    ami=$("$VMLIFT" import prepared.raw --name "$guest")
    rm prepared.raw
    [ "$("$VMLIFT" image show "$ami" --json | jq -r '.Images[0].BootMode')" != uefi ] || firmware=nvme_uefi
    run "$VMLIFT" export "$ami" "$guest.raw"
    start=$SECONDS
    $firmware 300 "$words" "$guest.raw" || {
        cat serial >&2
        fail "$guest: no login"
    }
    echo "$guest: login after $((SECONDS - start)) s" >&2
    rm "$guest.raw"
}
