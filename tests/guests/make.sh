#!/usr/bin/env bash
# Makes the guests that the tests look into, prepare and start, and prints where they are.
#
#   tests/guests/make.sh [NAME...]      without a name all of guest/
#
# Each is a raw disk, made once for each version of its script and kept in VMLIFT_GUEST_CACHE
# (build/guests).  guest/NAME.sh says what it is, and has
#
#   from         what it begins with: "tree" (Debian's files, tree.sh), another guest ($cache/NAME.raw), or
#                nothing
#   table OUT    makes the disk, with its partitions
#   fill OUT     writes what is in them, in a folder with that tree; root, or what fakeroot makes of it
#   finish OUT   what needs libguestfs' appliance
#
# of which one is enough.  Needs neither root nor loop devices.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C DEBIAN_FRONTEND=noninteractive LIBGUESTFS_BACKEND=${LIBGUESTFS_BACKEND-direct}
PATH=$PATH:/usr/sbin:/sbin
self=$(realpath "$0")
here=$(dirname "$self")
samples=$here/../../samples
cache=${VMLIFT_GUEST_CACHE:-$here/../../build/guests}
packages=linux-image-amd64,systemd-sysv,udev,dbus,initramfs-tools,zstd,login,passwd,e2fsprogs,kmod
packages+=,iproute2,ifupdown,isc-dhcp-client,openssh-server,open-vm-tools,lvm2
packages+=,grub2-common,grub-pc-bin,grub-efi-amd64-bin,extlinux,syslinux-common
# Nothing here needs these, and they are half of the size.
unwanted=(/usr/share/{doc,man,locale}/'*' /usr/lib/grub/x86_64-efi/monolithic/'*'
    /lib/modules/'*'/kernel/{sound,net/{bluetooth,netfilter,wireless}}/'*'
    /lib/modules/'*'/kernel/drivers/{bluetooth,gpu,hid,hwmon,iio,infiniband,input,isdn,media,mfd,mtd}/'*'
    /lib/modules/'*'/kernel/drivers/{staging,usb/{gadget,serial},net/{can,phy,usb,wireless,wwan}}/'*'
    /lib/modules/'*'/kernel/drivers/net/ethernet/{broadcom,chelsio,marvell,mellanox,netronome,qlogic,sfc}/'*')
# shellcheck source=tests/guests/linux.sh
. "$here/linux.sh"
# shellcheck source=samples/debian.sh
. "$samples/debian.sh"

say() {
    echo "guests: $*" >&2
}
# appliance DISK: runs guestfish's commands from stdin
appliance() {
    { echo run && cat && echo umount-all; } | guestfish --format=raw -a "$1"
}
recipe_of() {
    cat "$@" | sha256sum | cut -c1-64
}
# is_made FILE RECIPE
is_made() {
    [ -f "$1" ] && [ "$(cat "$1.recipe" 2>/dev/null)" = "$2" ]
}
# keep TMP FILE RECIPE: what is there under its name is whole
keep() {
    sync "$1"
    rm -f "$2.recipe"
    mv "$1" "$2"
    echo "$3" >"$2.recipe"
}
load() {
    from=
    # shellcheck source=/dev/null
    . "$here/guest/$1.sh"
}
has() {
    [ "$(type -t "$1")" = function ]
}

make_tree() {
    local recipe tmp
    recipe=$({ echo "$packages ${unwanted[*]}" && cat "$here/tree.sh" "$samples/debian.sh"; } | sha256sum | cut -c1-64)
    is_made "$cache/tree.tar" "$recipe" && return
    say "installing Debian packages"
    tmp=$(mktemp -d "$cache/making.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    install_debian bookworm "$tmp/tree.tar" --include=$packages "${unwanted[@]/#/--dpkgopt=path-exclude=}" \
        --setup-hook="$here/tree.sh early \"\$1\"" --customize-hook="$here/tree.sh late \"\$1\""
    keep "$tmp/tree.tar" "$cache/tree.tar" "$recipe"
    rm -rf "$tmp"
}

# Each guest in a shell of its own: its functions and its trap end with it.
make_guest() (
    load "$1"
    before=/dev/null
    case $from in
    "") ;;
    tree)
        make_tree
        before=$cache/tree.tar.recipe
        ;;
    *)
        make_guest "$from"
        before=$cache/$from.raw.recipe
        ;;
    esac
    recipe=$(recipe_of "$here/guest/$1.sh" "$here/linux.sh" "$before")
    is_made "$cache/$1.raw" "$recipe" && exit
    say "$1"
    tmp=$(mktemp -d "$cache/making.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    cd "$tmp"
    ! has table || table disk
    if has fill; then
        as_root=()
        [ "$(id -u)" -eq 0 ] || as_root=(fakeroot)
        "${as_root[@]}" "$self" --fill "$1" "$cache"
    fi
    ! has finish || finish disk
    keep disk "$cache/$1.raw" "$recipe"
)

if [ "${1-}" = --fill ]; then # in the guest's folder, under fakeroot
    load "$2"
    if [ "$from" = tree ]; then
        mkdir tree
        tar -xf "$3/tree.tar" -C tree --numeric-owner
    fi
    fill disk
    exit
fi
[ $# -gt 0 ] || set -- "$here"/guest/*.sh
mkdir -p "$cache"
cache=$(realpath "$cache")
export VMLIFT_GUEST_CACHE=$cache
for name; do
    name=$(basename "$name" .sh)
    [ -f "$here/guest/$name.sh" ] || {
        say "$name is none of them: $(basename -s .sh "$here"/guest/*.sh | tr '\n' ' ')"
        exit 2
    }
    exec 9>"$cache/lock"
    flock 9 # two at once would make it twice
    make_guest "$name"
    exec 9>&-
    echo "$cache/$name.raw"
done
