#!/usr/bin/env bash
# The long form of the proof that guests run as AMIs do: all of them, a second run of prep, and the failure
# of the one that was not prepared.  Prints the report that RESULTS.md keeps:
#
#   tests/guests/run.sh [NAME...] >tests/guests/RESULTS.md
#
# of the release build (or of VMLIFT).
set -euo pipefail
self=$(realpath "$0")
here=$(dirname "$self")
export VMLIFT=${VMLIFT:-$here/../../build/release/vmlift}
. "$here/../functions.sh"
. "$here/../machine.sh"
. "$here/prove.sh"
export VMLIFT_STORE=$tmp/store

# Each in a shell of its own, so that one that fails does not end the others.
case ${1-} in
--one)
    proof "$2"
    fixpoint "$2"
    exit
    ;;
--failure)
    failure
    exit
    ;;
esac

guests=("$@")
[ $# -gt 0 ] || guests=(bios uefi lvm names extlinux)
cat <<END
# What the long form of the guests found

$(date -u +%Y-%m-%d), commit $(git -C "$root" rev-parse --short HEAD), $(nproc) cores, $(qemu-system-x86_64 --version |
    sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p') without KVM.

Each guest prepared, imported as an AMI, exported, and started with an NVMe disk and the firmware that
its image asks for, up to a login and an address by DHCP; a second run of prep has nothing to change.

| guest | seconds of prep | changes | seconds to the login |
| --- | --- | --- | --- |
END
failed=0
for guest in "${guests[@]}"; do
    status=0
    "$self" --one "$guest" || status=$?
    [ $status -eq 0 ] || echo "| $guest | FAILED | | |"
    [ $status -eq 0 ] || failed=1
done
printf '\nThe guest names, not prepared:\n\n'
"$self" --failure | sed 's/^/- /' || failed=1
exit $failed
