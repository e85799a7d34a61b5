#!/usr/bin/env bash
# From a fresh clone to a machine image and back, on Debian 12: installs what is needed, builds, makes a
# real virtual machine and takes it through the formats and the store.  Each command is printed before
# its output.  Works in build/quickstart and may be run again at any time.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$(realpath "$0")")/.." && pwd)
cd "$here"

samples/install-deps.sh --vm
cmake --preset release --log-level=WARNING
cmake --build --preset release --target vmlift_program -j "$(nproc)"
vm=$(samples/make-vm.sh)

rm -rf build/quickstart
mkdir -p build/quickstart
cd build/quickstart
ln -s "$vm" vm.raw
export VMLIFT_STORE=$PWD/store
vmlift() {
    printf '\n$ vmlift' >&2 && printf ' %q' "$@" >&2 && echo >&2
    "$here/build/release/vmlift" "$@"
}

# One disk, every format.
vmlift convert vm.raw vm.vmdk
vmlift convert vm.vmdk vm.vhd
vmlift convert vm.vhd vm.ova
vmlift info --json vm.ova
ls -lshL vm.*

# An image: the disk as a snapshot, and how it boots.
ami=$(vmlift import vm.ova --name web-01 --tag Env=Prod)
echo "$ami"
vmlift image list
vmlift image show "$ami"
vmlift store stats

# And back, byte for byte.
vmlift export "$ami" back.raw
vmlift compare vm.raw back.raw
vmlift store verify

# An image goes, its snapshot stays until it is deleted; gc frees the space.
snapshot=$(vmlift image deregister "$ami")
echo "$snapshot"
vmlift snapshot delete "$snapshot"
vmlift store gc
vmlift store stats
