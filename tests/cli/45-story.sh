#!/usr/bin/env bash
# A story of two accounts and three regions.  One account builds golden images and shares them; another
# uses, copies and shares them on, until both clean up.  Each step says which rule of AMIs it shows; the
# tables of unit/test_rules*.c have the rules one by one, 41 to 44 what each verb can do.
. "$(dirname "$0")/../functions.sh"
requires jq cmp sfdisk

export VMLIFT_STORE=$tmp/store PATH=$PATH:/usr/sbin:/sbin
golden=111111111111 team=222222222222 guest=333333333333
home=us-east-1 second=eu-west-1 third=us-east-2 # home and the second have paravirtual machines

rule() {
    echo "--- rule: $*"
}
# is WANTED GOT: what was printed
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}
# as ACCOUNT REGION VERB...
as() {
    VMLIFT_ACCOUNT=$1 AWS_REGION=$2 "$VMLIFT" "${@:3}"
}
# quiet ACCOUNT REGION VERB...: without its notes
quiet() {
    as "$@" 2>"$tmp/quiet" || fail "${*:3}: $(cat "$tmp/quiet")"
}
# says STATUS SLUG WORDS ACCOUNT REGION VERB...: how it ends, and some words of why
says() {
    VMLIFT_ACCOUNT=$4 AWS_REGION=$5 expect "$1" "$2" "$VMLIFT" "${@:6}"
    grep -qF -e "$3" stderr || fail "not a word of \"$3\": $(cat stderr)"
}
refused() {
    says 5 "$@"
}
# unseen SLUG ACCOUNT REGION VERB...: for this account there is no such thing
unseen() {
    says 6 "$1" 'does not exist' "${@:2}"
}
# way TEXT: the way round that the last refusal named
way() {
    grep -F '[rule/way-round]' stderr | grep -qF -e "$1" || fail "no way round by $1: $(cat stderr)"
}
# image ACCOUNT REGION AMI FILTER, snapshot ACCOUNT REGION ID FILTER: of the record
image() {
    quiet "$1" "$2" image show --json "$3" | jq -r ".Images[0] | $4"
}
snapshot() {
    quiet "$1" "$2" snapshot show --json "$3" | jq -r ".Snapshots[0] | $4"
}
# names ACCOUNT REGION [OPTION...]: of the images that a list has
names() {
    quiet "$1" "$2" image list --json "${@:3}" | jq -r '[.Images[].Name] | join(" ")'
}
# snapshots ACCOUNT REGION AMI: the IDs of its snapshots, the root's first
snapshots() {
    image "$1" "$2" "$3" '[.BlockDeviceMappings[].Ebs.SnapshotId | select(.)] | join(" ")'
}
# is_disk ACCOUNT REGION AMI|SNAPSHOT FILE: its bytes
is_disk() {
    quiet "$1" "$2" export "$3" out.raw -O raw --force
    same out.raw "$4"
}
# events ACCOUNT REGION AMI: what was done to it
events() {
    quiet "$1" "$2" image history --json "$3" | jq -r '[.Events[].Action] | join(" ")'
}
pack_bytes() {
    find store/packs -name '*.pack' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

truncate -s 16M boot.raw
echo 'start=2048, type=83, bootable' | sfdisk -q --label dos boot.raw
printf '\xfa\x31\xc0\x8e\xd0\xbc\x00\x7c' | dd of=boot.raw conv=notrunc status=none
head -c 2M < <(yes 'what the golden image has installed') | dd of=boot.raw bs=1M seek=2 conv=notrunc status=none
head -c 1M < <(yes 'data') >data.raw

# --- building -------------------------------------------------------------------------------------

rule "OVA, VMDK, VHD and RAW are imported as AMIs"
for format in ova vmdk vhd; do
    run "$VMLIFT" convert boot.raw "boot.$format"
    quiet $golden $third import "boot.$format" --name "from $format" >/dev/null
    is_disk $golden $third "from $format" boot.raw
done
quiet $golden $home import boot.raw --name boot >/dev/null
quiet $golden $home import data.raw --name data >/dev/null
root=$(snapshots $golden $home boot) data=$(snapshots $golden $home data)

rule "an AMI has a root volume, data volumes and a block device mapping"
web=$(quiet $golden $home image register --name web-1 --snapshot "$root" --mapping "/dev/sdf=$data:20:false" \
    --mapping /dev/sdb=ephemeral0 --mapping /dev/sdc=none --description 'web server' --tag Env=Prod)
is "/dev/sda1 $root 1 true; /dev/sdf $data 20 false; /dev/sdb ephemeral0; /dev/sdc none" \
    "$(image $golden $home web-1 '[.BlockDeviceMappings | sort_by(.DeviceName != "/dev/sda1", .Ebs == null)[] |
    "\(.DeviceName) " + if .Ebs then .Ebs | "\(.SnapshotId) \(.VolumeSize) \(.DeleteOnTermination)"
    else .VirtualName // "none" end] | join("; ")')"

rule "a name is given once in an account and region"
refused InvalidAMIName.Duplicate "AMI name web-1 is already in use by AMI $web" $golden $home \
    image register --name web-1 --snapshot "$root"
quiet $golden $home image tag "$web" --tag Team=Golden --tag Env=Prod >/dev/null

rule "an AMI is private: nobody else sees it, by ID or by name"
is private "$(image $golden $home "$web" .Visibility)"
unseen InvalidAMIID.NotFound $team $home image show "$web"
unseen InvalidAMIID.NotFound $team $home image show web-1
is '' "$(names $team $home)"

rule "region lock: an AMI is in the region that it was made in, and its ID is valid there only"
for verb in show 'tag --tag a=b' 'deprecate --at +1' disable deregister 'copy --name web-1' 'share --public'; do
    # shellcheck disable=SC2086
    unseen InvalidAMIID.NotFound $golden $second image $verb "$web"
done
unseen InvalidSnapshot.NotFound $golden $second snapshot show "$root"
unseen InvalidSnapshot.NotFound $golden $second image register --name other --snapshot "$root"

# --- sharing --------------------------------------------------------------------------------------

rule "sharing with an account lets it see and launch, and does not affect ownership"
quiet $golden $home image share web-1 --with $team >/dev/null
is "$golden shared" "$(image $team $home web-1 '"\(.OwnerId) \(.Visibility)"')"
is web-1 "$(names $team $home)"
is '' "$(names $team $home --owner self)"
unseen InvalidAMIID.NotFound $guest $home image show "$web"

rule "what is shared is its owner's to change"
before=$(image $golden $home web-1 .)
for verb in 'tag --tag a=b' 'untag --tag Env' 'modify --description mine' 'deprecate --at +1' disable enable \
    protect deregister 'share --public' 'unshare --all' history; do
    # shellcheck disable=SC2086
    refused AuthFailure "Not authorized for image:$web" $team $home image $verb "$web"
done
is "$before" "$(image $golden $home web-1 .)"

rule "without create-volume permission a shared AMI is not copied"
unseen InvalidSnapshot.NotFound $team $home snapshot show "$root"
refused InvalidRequest 'You do not have permission to access the storage of this ami' $team $home \
    image copy "$web" --name mine
way "vmlift snapshot share $root --with $team"

rule "which stops nobody: what may be launched may be made an AMI"
way "vmlift image create --from-image $web"
mine=$(quiet $team $home image create --from-image "$web" --name launched)
is "$team private" "$(image $team $home "$mine" '"\(.OwnerId) \(.Visibility)"')"
[ "$(snapshots $team $home "$mine")" != "$(snapshots $golden $home web-1)" ] || fail "the same snapshots"

rule "create-volume permission lets an account copy"
# of all the snapshots: of the root alone is not enough
quiet $golden $home snapshot share "$root" --with $team >/dev/null
refused InvalidRequest 'You do not have permission to access the storage' $team $home image copy "$web" --name mine
way "vmlift snapshot share $data --with $team"
quiet $golden $home snapshot share "$data" --with $team >/dev/null
before=$(pack_bytes)
near=$(quiet $team $home image copy "$web" --name web-1)
far=$(quiet $team $second image copy "$web" --source-region $home --name web-1)

rule "copies cost nothing to make, and no bytes"
[ $(($(pack_bytes) - before)) -lt 16384 ] || fail "two copies took $(($(pack_bytes) - before)) bytes"

rule "a copy is a distinct AMI: a new ID, and new snapshots in the region of the copy"
is 3 "$(printf "%s\n" "$web" "$near" "$far" | sort -u | wc -l)"
here=$(snapshots $team $home "$near") there=$(snapshots $team $second "$far")
is 6 "$(tr ' ' '\n' <<<"$root $data $here $there" | sort -u | wc -l)"
unseen InvalidAMIID.NotFound $team $home image show "$far"
unseen InvalidSnapshot.NotFound $team $home snapshot show "${there% *}"

rule "the snapshots say which AMI they were made for, and of what"
grep -qF "for DestinationAmi $far from SourceAmi $web for SourceSnapshot $root" \
    <<<"$(snapshot $team $second "${there% *}" .Description)" || fail "not in the description"

rule "a copy is identical otherwise: the same bytes, machine and mappings"
is_disk $team $second "${there% *}" boot.raw
is_disk $team $second "${there#* }" data.raw
same='[.Architecture, .VirtualizationType, .RootDeviceName, [.BlockDeviceMappings[] | del(.Ebs.SnapshotId)]]'
is "$(image $golden $home "$web" "$same")" "$(image $team $second "$far" "$same")"

rule "who copies a shared AMI owns the copy"
is "$team" "$(image $team $second "$far" .OwnerId)"
is "$team" "$(snapshot $team $second "${there% *}" .OwnerId)"
unseen InvalidAMIID.NotFound $golden $second image show "$far"

rule "tags and launch permissions are not copied"
is 'private 0 0' "$(image $team $second "$far" '"\(.Visibility) \(.LaunchPermissions | length) \(.Tags | length)"')"
own=$(quiet $golden $second image copy "$web" --source-region $home --name web-1 --copy-tags)
is '0 Env=Prod Team=Golden' "$(image $golden $second "$own" '"\(.LaunchPermissions | length) " +
    ([.Tags[] | "\(.Key)=\(.Value)"] | join(" "))')" # but one's own tags when asked for

rule "names are looked up among one's own first, and are not unique among copies"
is "$near" "$(image $team $home web-1 .ImageId)"
quiet $team $home image copy "$web" --name web-1 >/dev/null
refused image/ambiguous 'name one by its ID' $team $home image deregister web-1

# --- encryption -----------------------------------------------------------------------------------

rule "a plain AMI is encrypted by copying, and never the other way round"
key=$(quiet $golden $home key create)
sealed=$(quiet $golden $home image copy "$web" --name sealed --encrypt --key "$key")
lock=$(snapshots $golden $home "$sealed")
is "$key $key" "$(for s in $lock; do snapshot $golden $home "$s" .KmsKeyId; done | tr '\n' ' ' | sed 's/ $//')"
again=$(quiet $golden $home image copy "$sealed" --name again)
is true "$(image $golden $home "$again" '[.BlockDeviceMappings[].Ebs.Encrypted | select(. != null)] | all')"

rule "an encrypted AMI that is shared is copied with its snapshots' permission and its key, or not"
quiet $golden $home image share sealed --with $team --with-snapshots >/dev/null
refused InvalidRequest 'Given key ID is not accessible' $team $third image copy "$sealed" --source-region $home \
    --name sealed
way "vmlift key grant $key --to $team"
quiet $golden $home key grant "$key" --to $team
copy=$(quiet $team $third image copy "$sealed" --source-region $home --name sealed)

rule "the copy is encrypted with a key of who copies"
theirs=$(quiet $team $third key list --json | jq -r '.Keys[].KeyId')
is "$theirs" "$(snapshot $team $third "$(snapshots $team $third "$copy" | cut -d' ' -f1)" .KmsKeyId)"
quiet $golden $home key revoke "$key" --from $team
is_disk $team $third "$(snapshots $team $third "$copy" | cut -d' ' -f1)" boot.raw
says 5 key/denied '' $team $home export "${lock% *}" no.raw

rule "or its snapshots are copied, re-encrypted, and registered as an AMI"
quiet $golden $home key grant "$key" --to $team
own_key=$(quiet $team $home key create)
part=$(quiet $team $home snapshot copy "${lock% *}" --encrypt --key "$own_key")
by_hand=$(quiet $team $home image register --name by-hand --snapshot "$part")
is "$team true" "$(image $team $home "$by_hand" '"\(.OwnerId) \(.BlockDeviceMappings[0].Ebs.Encrypted)"')"
is_disk $team $home "$by_hand" boot.raw

rule "encrypted AMIs are never public"
refused OperationNotPermitted 'cannot be shared publicly' $golden $home image share sealed --public

# --- what is somebody's product -------------------------------------------------------------------

rule "an AMI with a billing product is copied by its owner only"
windows=$(quiet $golden $home image register --name windows --snapshot "$root" --platform windows \
    --billing-product bp-6ba54002)
quiet $golden $home image share windows --with $team --with-snapshots >/dev/null
refused InvalidRequest 'Images with EC2 BillingProduct codes cannot be copied to another AWS account' $team $home \
    image copy windows --name mine
quiet $golden $second image copy "$windows" --source-region $home --name windows >/dev/null

rule "others launch it, and make an AMI of what runs: with the same code"
way "vmlift image create --from-image $windows"
mine=$(quiet $team $home image create --from-image "$windows" --name windows)
is "$team windows" "$(image $team $home "$mine" '"\(.OwnerId) \(.Platform)"')"
is bp-6ba54002 "$(image $team $home "$mine" '[.BillingProducts[]?] | join(" ")')"

rule "so it is with AMIs of the marketplace, which are no more public than others' products are"
market=$(quiet $golden $home image register --name market --snapshot "$root")
quiet $golden $home image modify market --product-code abc123 >/dev/null
is marketplace "$(image $golden $home market .Visibility)"
quiet $golden $home image share market --with $team --with-snapshots >/dev/null
refused InvalidRequest 'Images from AWS Marketplace cannot be copied to another AWS account' $team $home \
    image copy market --name mine
refused OperationNotPermitted 'product codes' $golden $home image share market --public
quiet $team $home image create --from-image "$market" --name market >/dev/null
is abc123 "$(image $team $home market '.ProductCodes[0].ProductCodeId')"

# --- HVM and paravirtual --------------------------------------------------------------------------

rule "Windows is HVM only"
refused InvalidParameterCombination 'hvm' $golden $home image register --name xen-windows --virt paravirtual \
    --platform windows --snapshot "$root"

rule "a paravirtual AMI has a kernel, which is of its region: copies have that of theirs"
xen=$(quiet $golden $home image register --name xen --virt paravirtual --root-device /dev/sda1 --snapshot "$root")
is "paravirtual aki-5c21674b" "$(image $golden $home "$xen" '"\(.VirtualizationType) \(.KernelId)"')"
moved=$(quiet $golden $second image copy "$xen" --source-region $home --name xen)
is "paravirtual aki-dc9ed9af" "$(image $golden $second "$moved" '"\(.VirtualizationType) \(.KernelId)"')"

rule "and there is none in newer regions"
refused UnsupportedOperation paravirtual $golden $third image copy "$xen" --source-region $home --name xen
refused UnsupportedOperation paravirtual $golden $third import boot.raw --name xen --virt paravirtual

# --- instance store -------------------------------------------------------------------------------

rule "an AMI in an instance store needs permission to its bucket, which is not copied either"
quiet $golden $home image register --name stored --location golden-bucket/stored.manifest.xml >/dev/null
quiet $golden $home image share stored --with $team >/dev/null
refused InvalidRequest 'You do not have permission to access the storage' $team $home image copy stored --name mine
quiet $golden $home image share stored --with $team --bucket >/dev/null
stored=$(quiet $team $second image copy "$(image $golden $home stored .ImageId)" --source-region $home --name stored)
is "$team 0 0" "$(image $team $second "$stored" \
    '"\(.OwnerId) \(.LaunchPermissions | length) \(.BucketPermissions | length)"')"

# --- public, and shared on ------------------------------------------------------------------------

rule "the owner of a copy shares it on"
quiet $team $second image share "$far" --with $guest >/dev/null
is "$team" "$(image $guest $second "$far" .OwnerId)"

rule "a public AMI is seen by everybody, and deprecated 2 years after it was made"
quiet $golden $home image share web-1 --public >/dev/null
is public "$(image $guest $home "$web" .Visibility)"
is web-1 "$(names $guest $home --executable-by all)"
made=$(image $golden $home web-1 .CreationDate)
is "$(date -u -d "$made +2 years" +%Y-%m-%d)" "$(image $golden $home web-1 '.DeprecationTime[:10]')"
refused InvalidParameterValue '2 years' $golden $home image deprecate web-1 --at +1000
refused OperationNotPermitted 'private' $golden $home image deprecate web-1 --cancel
quiet $golden $home image unshare web-1 --public >/dev/null
quiet $golden $home image deprecate web-1 --cancel >/dev/null

# --- retiring -------------------------------------------------------------------------------------

rule "a deprecated AMI is used as before, and is in no list but its owner's"
quiet $golden $home image deprecate web-1 --at +1 >/dev/null
later=$(($(date +%s) + 2 * 86400))
grep -qw web-1 <<<"$(SOURCE_DATE_EPOCH=$later names $golden $home)" || fail "its owner does not see it"
is '' "$(SOURCE_DATE_EPOCH=$later names $team $home --owner $golden --filter name=web-1)"
is web-1 "$(SOURCE_DATE_EPOCH=$later names $team $home --owner $golden --filter name=web-1 --include-deprecated)"
is web-1 "$(SOURCE_DATE_EPOCH=$later image $team $home "$web" .Name)"

rule "a disabled AMI is shared with nobody, and enabling it does not give that back"
quiet $golden $home image disable web-1 >/dev/null
unseen InvalidAMIID.NotFound $team $home image show "$web"
refused IncorrectState disabled $golden $home image share web-1 --with $team
refused IncorrectState disabled $golden $home image copy web-1 --name copy
quiet $golden $home image enable web-1 >/dev/null
unseen InvalidAMIID.NotFound $team $home image show "$web"

rule "a snapshot that an AMI uses is not deleted, be the AMI disabled"
quiet $golden $home image disable web-1 >/dev/null
refused InvalidSnapshot.InUse "$root" $golden $home snapshot delete "$root"

rule "deregistering leaves the snapshots, which go on to cost, and to be deleted"
quiet $golden $home image protect boot >/dev/null
refused OperationNotPermitted 'protected from deregistration' $golden $home image deregister boot
quiet $golden $home image protect boot --off >/dev/null
says 0 image/snapshots-used "$root" $golden $home image deregister boot data
says 0 image/snapshots-stay "vmlift snapshot delete $data" $golden $home image deregister "$web"
says 6 InvalidAMIID.Unavailable "The image id '[$web]' is no longer available" $golden $home image deregister "$web"
is_disk $golden $home "$root" boot.raw
is_disk $golden $home "$data" data.raw
quiet $golden $home snapshot delete "$data"
unseen InvalidSnapshot.NotFound $golden $home snapshot show "$data"

rule "copies depend on nothing of what they are copies of"
quiet $golden $home store gc >/dev/null
is_disk $team $second "${there% *}" boot.raw
is_disk $team $second "${there#* }" data.raw
is_disk $team $home "${here#* }" data.raw

rule "AMIs that are not used any more are found by name, age or deprecation, and the newest kept"
for n in 2 3 4; do
    quiet $golden $home image register --name "web-$n" --snapshot "$root" >/dev/null
done
quiet $golden $home image prune --name 'web-*' --keep-last 2 --dry-run --json |
    jq -e '.DryRun and [.Images[].Name] == ["web-2"]' >/dev/null || fail "not what would go"
is 'web-2 web-3 web-4' "$(names $golden $home --filter 'name=web-*')"
quiet $golden $home image prune --name 'web-*' --keep-last 2 >/dev/null
is 'web-3 web-4' "$(names $golden $home --filter 'name=web-*')"

rule "so does who copied them, who also was the last to need these snapshots"
quiet $team $second image deprecate "$far" --at +1 >/dev/null
is '' "$(SOURCE_DATE_EPOCH=$later names $guest $second)"
is web-1 "$(SOURCE_DATE_EPOCH=$later image $guest $second "$far" .Name)" # who knows its ID may use it
SOURCE_DATE_EPOCH=$later quiet $team $second image prune --deprecated --delete-snapshots >/dev/null
unseen InvalidSnapshot.NotFound $team $second snapshot show "${there% *}"
says 6 InvalidAMIID.NotFound 'does not exist' $guest $second image show "$far"
says 6 InvalidAMIID.Unavailable 'no longer available' $team $second image show "$far"

rule "an AMI costs what its snapshots do: those that no AMI uses are found, and deleted"
orphans() {
    quiet $golden $home snapshot list --orphans --json | jq -r '[.Snapshots[].SnapshotId] | join(" ")'
}
unused() {
    quiet $golden $home store stats --cost --json | jq .cost.ebs_unused_bytes
}
is '' "$(orphans)"
quiet $golden $home image deregister web-3 web-4 windows market xen >/dev/null
is "$root" "$(orphans)" # of all these
before=$(unused)
[ "$before" -ge 2000000 ] || fail "a snapshot of 2 MiB that costs for $before bytes"
quiet $golden $home snapshot delete "$root"
is '' "$(orphans)"
[ "$(unused)" -lt "$before" ] || fail "what is deleted goes on to cost"

rule "everything that was done is known, to the owner"
is 'register tag share share unshare cancel-deprecation deprecate disable enable disable deregister' \
    "$(events $golden $home "$web")"
unseen InvalidAMIID.NotFound $team $home image history "$web"
is 'copy share deprecate prune' "$(events $team $second "$far")"

rule "and nothing of it is lost when the catalog is"
all() {
    for account in $golden $team $guest; do
        for region in $home $second $third; do
            quiet "$account" "$region" image list --include-disabled --json
            quiet "$account" "$region" snapshot list --json
        done
    done
    events $golden $home "$web"
}
all >before.txt
as $golden $home store gc
as $golden $home store verify
rm store/catalog.db
as $golden $home store rebuild
all >after.txt
same before.txt after.txt
is_disk $team $third "$(snapshots $team $third "$copy" | cut -d' ' -f1)" boot.raw
