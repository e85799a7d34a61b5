# shellcheck shell=bash
# Starts machines for the tests, by emulation and never KVM: nothing is written to their disks, and none
# is left when the test ends.  Wants functions.sh before it.

: "${tmp:?}"
machine=
trap '[ -z "$machine" ] || kill "$machine" 2>/dev/null; wait; rm -rf "$tmp"' EXIT

# machine_says SECONDS WORDS OPTION...: starts qemu with OPTIONs, until its serial console says WORDS (an
# extended regular expression, over lines).  What it said stays in ./serial.
machine_says() {
    local limit=$1 words=$2 start=$SECONDS found=1
    shift 2
    : >serial
    qemu-system-x86_64 -accel tcg -display none -monitor none -no-reboot -snapshot -serial file:serial "$@" &
    machine=$!
    while kill -0 $machine 2>/dev/null && [ $((SECONDS - start)) -le "$limit" ]; do
        if grep -qazE -e "$words" serial; then
            found=0
            break
        fi
        sleep 0.5
    done
    kill $machine 2>/dev/null || true
    wait $machine || true
    machine=
    echo "$((SECONDS - start)) s to '$words'" >&2
    return $found
}

# EC2's machines have NVMe disks; a network card of AWS's is not to be had here.
nvme_machine=(-m 1024 -netdev "user,id=net,restrict=on" -device "virtio-net-pci,netdev=net,romfile="
    -device "nvme,drive=disk,serial=vol0,bootindex=0")

# nvme_bios SECONDS WORDS RAW
nvme_bios() {
    machine_says "$1" "$2" "${nvme_machine[@]}" -drive "if=none,id=disk,format=raw,file=$3"
}

# nvme_uefi SECONDS WORDS RAW: firmware that was told of no loader, as that of a new machine
nvme_uefi() {
    local ovmf=/usr/share/OVMF
    cp $ovmf/OVMF_VARS_4M.fd vars.fd
    machine_says "$1" "$2" -machine q35 "${nvme_machine[@]}" \
        -drive "if=none,id=disk,format=raw,file=$3" \
        -drive "if=pflash,unit=0,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.fd" \
        -drive "if=pflash,unit=1,format=raw,file=vars.fd"
}
