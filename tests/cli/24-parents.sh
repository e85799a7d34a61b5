#!/usr/bin/env bash
# Disks that hold only what differs from a parent: chains by qemu-img, read as qemu-img reads them,
# and what is refused because others get it wrong.
. "$(dirname "$0")/../functions.sh"
requires qemu-img qemu-io 7z jq xxd

# --- three generations of VMDK ---------------------------------------------------------------------

# A child of each generation writes into what it has, what its parent has and what nobody has.
mkdir vm
truncate -s 9M base.raw
head -c 3000000 /dev/urandom | dd of=base.raw conv=notrunc status=none
head -c 512 /dev/urandom | dd of=base.raw conv=notrunc oflag=seek_bytes seek=$((9 * 1048576 - 512)) status=none
qemu-img convert -f raw -O vmdk base.raw vm/base.vmdk
qemu-img create -q -f vmdk -F vmdk -b base.vmdk vm/middle.vmdk
qemu-io -f vmdk -c 'write -q -P 0x11 1M 64k' -c 'write -q -P 0x12 5000192 512' \
    -c 'write -q -P 0 2M 300k' vm/middle.vmdk
qemu-img create -q -f vmdk -F vmdk -b middle.vmdk vm/child.vmdk
qemu-io -f vmdk -c 'write -q -P 0x21 1081344 1k' -c 'write -q -P 0x22 7M 200k' vm/child.vmdk
qemu-img convert -f vmdk -O raw vm/child.vmdk want.raw
cmp -s want.raw base.raw && fail "the chain holds nothing of its own"

run "$VMLIFT" convert --follow-parents vm/child.vmdk got.raw
same want.raw got.raw
for threads in 1 4; do # named, from another folder, into something else
    rm -f got.vmdk got.raw
    run "$VMLIFT" convert --threads $threads --parent vm/middle.vmdk --parent vm/base.vmdk \
        vm/child.vmdk got.vmdk
    qemu-img compare -f raw -F vmdk want.raw got.vmdk || fail "not what qemu-img reads"
done
run "$VMLIFT" convert --parent vm/middle.vmdk --follow-parents vm/child.vmdk got.raw
same want.raw got.raw
run "$VMLIFT" compare --follow-parents vm/child.vmdk want.raw
[ "$("$VMLIFT" hash --follow-parents vm/child.vmdk | cut -c1-64)" = "$(sha256sum <want.raw | cut -c1-64)" ] ||
    fail "hash of a child over its parents"
expect 4 image/parent "$VMLIFT" hash vm/child.vmdk
# its own file's map, for which the parents need not be there
mkdir orphan && cp vm/child.vmdk orphan/
run "$VMLIFT" map orphan/child.vmdk
run "$VMLIFT" compare --follow-parents want.raw vm/child.vmdk
run "$VMLIFT" compare --parent vm/middle.vmdk --parent vm/base.vmdk vm/child.vmdk want.raw
expect 1 "" "$VMLIFT" compare --follow-parents vm/child.vmdk vm/middle.vmdk
expect 1 "" "$VMLIFT" compare --follow-parents vm/child.vmdk base.raw

# Into the store and out again.
ami=$(run "$VMLIFT" import --store store --name chain --follow-parents vm/child.vmdk)
run "$VMLIFT" export --store store "$ami" back.raw
run "$VMLIFT" compare want.raw back.raw

# info tells the child alone, and of all of them when it may open them.
[ "$("$VMLIFT" info --json vm/child.vmdk | jq -r .parent)" = middle.vmdk ] || fail "info: no parent"
"$VMLIFT" info vm/child.vmdk | grep -Eq '^parent: +middle.vmdk$' || fail "info: no parent"
[ "$("$VMLIFT" info --json vm/base.vmdk | jq .parent)" = null ] || fail "info: a parent of base.vmdk"
alone=$("$VMLIFT" info --json vm/child.vmdk | jq .data_size)
chain=$("$VMLIFT" info --json --follow-parents vm/child.vmdk | jq .data_size)
((alone < 1000000 && chain > 3000000)) || fail "data sizes: $alone and $chain"
mkdir alone
cp vm/child.vmdk alone/
run "$VMLIFT" info alone/child.vmdk >/dev/null
expect 2 usage/parent "$VMLIFT" info --parent vm/base.vmdk vm/child.vmdk vm/middle.vmdk

# A parent that is smaller, and one that is larger.
qemu-img create -q -f vmdk -F vmdk -b base.vmdk vm/grown.vmdk 12M
qemu-img create -q -f vmdk -F vmdk -b base.vmdk vm/shrunk.vmdk 1M
for name in grown shrunk; do
    qemu-img convert -f vmdk -O raw vm/$name.vmdk want-$name.raw
    run "$VMLIFT" convert --follow-parents vm/$name.vmdk got-$name.raw
    same want-$name.raw got-$name.raw
done

# A compressed parent: the child's sectors lie inside its grains.
mkdir so
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized base.raw so/base.vmdk
qemu-img create -q -f vmdk -F vmdk -b base.vmdk so/child.vmdk
qemu-io -f vmdk -c 'write -q -P 0x31 1M 64k' -c 'write -q -P 0x32 8M 64k' so/child.vmdk
qemu-img convert -f vmdk -O raw so/child.vmdk want-so.raw
run "$VMLIFT" convert --follow-parents so/child.vmdk got-so.raw
same want-so.raw got-so.raw

# A child of several files: its own are beside it, and so is its parent.
qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse -F vmdk -b base.vmdk so/split.vmdk
qemu-io -f vmdk -c 'write -q -P 0x33 3M 100k' so/split.vmdk
qemu-img convert -f vmdk -O raw so/split.vmdk want-split.raw
run "$VMLIFT" convert --follow-parents so/split.vmdk got-split.raw
same want-split.raw got-split.raw

# --- what is refused -------------------------------------------------------------------------------

refuse 4 image/parent middle.vmdk vm/child.vmdk
refuse 4 image/parent --follow-parents vm/child.vmdk
refuse 4 image/parent base.vmdk --parent vm/middle.vmdk vm/child.vmdk
refuse 6 io/not-found middle.vmdk --follow-parents alone/child.vmdk
refuse 6 io/not-found nowhere.vmdk --parent nowhere.vmdk vm/child.vmdk
refuse 3 image/parent-id base.vmdk --parent vm/base.vmdk --parent vm/middle.vmdk vm/child.vmdk
refuse 3 image/parent-id want.raw --parent want.raw vm/child.vmdk
refuse 2 image/parent-unused vm/base.vmdk --parent vm/base.vmdk vm/base.vmdk
refuse 2 image/parent-unused base.raw --parent base.raw base.raw
expect 4 image/parent "$VMLIFT" compare vm/child.vmdk want.raw
expect 4 image/parent "$VMLIFT" import --store store --name none vm/child.vmdk

# A parent that was written to since is another one.
mkdir changed
cp vm/base.vmdk vm/middle.vmdk changed/
qemu-io -f vmdk -c 'write -q -P 0x41 4M 64k' changed/base.vmdk
cmp -s vm/base.vmdk changed/base.vmdk && fail "qemu-io wrote nothing"
refuse 3 image/parent-id changed/base.vmdk --follow-parents changed/middle.vmdk

# Names that leave the folder, whatever is there.
mkdir out
cp vm/base.vmdk base.vmdk
for name in ../base.vmdk sub/../../base.vmdk; do
    cp vm/base.vmdk out/base.vmdk
    qemu-img create -q -f vmdk -F vmdk -b base.vmdk out/child.vmdk
    rm out/base.vmdk
    dd if=out/child.vmdk bs=512 skip=1 count=20 status=none | tr -d '\0' |
        sed "s|^parentFileNameHint=.*|parentFileNameHint=\"$name\"|" >text
    grep -qF "$name" text || fail "qemu-img's descriptor looks different now: $(cat text)"
    truncate -s 10240 text
    dd if=text of=out/child.vmdk bs=512 seek=1 conv=notrunc status=none
    mkdir -p out/sub
    refuse 5 input/outside "$name" --follow-parents out/child.vmdk
done
cp vm/middle.vmdk out/linked.vmdk
ln -s ../vm/base.vmdk out/base.vmdk
refuse 5 input/outside base.vmdk --follow-parents out/linked.vmdk
run "$VMLIFT" convert --parent vm/base.vmdk out/linked.vmdk named.raw
rm named.raw

# From a pipe there is no folder, and nothing to look into twice.
# shellcheck disable=SC2016
expect 4 "" bash -o pipefail -c 'cat vm/child.vmdk | "$VMLIFT" convert --follow-parents - no.raw'
[ ! -e no.raw ] || fail "something is left"

# --- differencing VHD ------------------------------------------------------------------------------

# qemu-img fills what such a disk lacks with zeroes, and says nothing.

# be SIZE NUMBER: big-endian, as hex.
be() {
    printf "%0$(($1 * 2))x" "$2"
}

# with_sum AT HEX: hex with the complement of the sum of its bytes in the four at AT.
with_sum() {
    local at=$(($1 * 2)) hex=$2 sum=0 i
    for ((i = 0; i < ${#hex}; i += 2)); do
        sum=$((sum + 16#${hex:i:2}))
    done
    echo "${hex:0:at}$(be 4 $((~sum & 0xffffffff)))${hex:at+8}"
}

# zeroes N: as many bytes.
zeroes() {
    printf "%0$(($1 * 2))d" 0
}

# make_child FILE SECTORS PARENT_UUID NAME: a disk of one block of 2 MiB, of which the second sector is
# there: footer, header, table and locator, bitmap, block, footer.
make_child() {
    local geometry footer header name
    geometry=$(be 2 60)0411
    footer=$(printf conectix | xxd -p)$(be 4 2)$(be 4 65536)$(be 8 512)$(zeroes 4)
    footer+=$(printf 'win ' | xxd -p)$(be 4 0)$(printf Wi2k | xxd -p)$(be 8 $(($2 * 512)))$(be 8 $(($2 * 512)))
    footer+=$geometry$(be 4 4)$(zeroes 4)$(printf '77%.0s' {1..16})$(zeroes 428)
    footer=$(with_sum 64 "$footer")
    name=$(printf %s "$4" | iconv -f UTF-8 -t UTF-16LE | xxd -p | tr -d '\n')
    header=$(printf cxsparse | xxd -p)ffffffffffffffff$(be 8 1536)$(be 4 65536)$(be 4 1)$(be 4 2097152)
    header+=$(zeroes 4)$3$(zeroes 520)
    header+=$(printf W2ru | xxd -p)$(be 4 512)$(be 4 $((${#name} / 2)))$(zeroes 4)$(be 8 2048)
    header+=$(zeroes $((7 * 24 + 256)))
    header=$(with_sum 36 "$header")
    {
        echo "$footer$header" | xxd -r -p
        echo "$(be 4 5)$(printf 'ff%.0s' {1..508})" | xxd -r -p
        echo "$name$(zeroes $((512 - ${#name} / 2)))" | xxd -r -p
        echo "40$(zeroes 511)" | xxd -r -p
        head -c 2097152 /dev/zero | tr '\0' '\125'
        echo "$footer" | xxd -r -p
    } >"$1"
}

mkdir vhd
head -c 2097152 /dev/urandom >vhd.raw
run "$VMLIFT" convert -o align=512 vhd.raw vhd/base.vhd
uuid=$(tail -c 512 vhd/base.vhd | xxd -s 68 -l 16 -p)
make_child vhd/child.vhd 4096 "$uuid" '.\base.vhd'
[ "$("$VMLIFT" info --json vhd/child.vhd |
    jq -r '[.format, .subformat, .virtual_size, .data_size, .parent] | join(" ")')" = \
    "vhd differencing 2097152 512 base.vhd" ] || fail "info: $("$VMLIFT" info --json vhd/child.vhd)"
cp vhd.raw want-vhd.raw
head -c 512 /dev/zero | tr '\0' '\125' | dd of=want-vhd.raw conv=notrunc bs=512 seek=1 status=none
refuse 4 image/parent base.vhd vhd/child.vhd
run "$VMLIFT" convert --follow-parents vhd/child.vhd got-vhd.raw
same want-vhd.raw got-vhd.raw
run "$VMLIFT" compare --parent vhd/base.vhd vhd/child.vhd want-vhd.raw
(cd vhd && 7z e -so -tvhd child.vhd 2>../7z.txt) | cmp - want-vhd.raw || fail "7z: $(cat 7z.txt)"
make_child vhd/child.vhd 4096 "$(printf '01%.0s' {1..16})" '.\base.vhd'
refuse 3 image/parent-id "$uuid" --follow-parents vhd/child.vhd
make_child vhd/child.vhd 4096 "$uuid" '..\base.vhd'
cp vhd/base.vhd .
refuse 5 input/outside ../base.vhd --follow-parents vhd/child.vhd

# Somebody else's, when they are at hand.
if [ -n "${VMLIFT_CORPUS:-}" ]; then
    theirs=$VMLIFT_CORPUS/log2timeline+dfvfs/fat-differential.vhd
    refuse 4 image/parent fat-parent.vhd "$theirs"
    refuse 6 io/not-found fat-parent.vhd --follow-parents "$theirs"
fi

# --- inside a package ------------------------------------------------------------------------------

# A machine's disk cannot have a parent, even if there is one beside the OVA.
run "$VMLIFT" convert vm/base.vmdk one.ova
mkdir ova
tar -xf one.ova -C ova
disk=$(basename ova/*.vmdk)
cp vm/middle.vmdk "ova/$disk"
(cd ova && tar --format=ustar -cf ../child.ova ./*.ovf "$disk" --transform 's|^\./||')
cp vm/base.vmdk base.vmdk
refuse 4 image/parent "$disk" --follow-parents child.ova
refuse 2 image/parent-unused base.vmdk --parent base.vmdk one.ova
