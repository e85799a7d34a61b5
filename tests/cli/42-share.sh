#!/usr/bin/env bash
# Sharing and copying between accounts and regions: who sees and reads what, what a copy has and has
# not, EC2's refusals and the ways round them.  What is read is compared with the disks themselves.
. "$(dirname "$0")/../functions.sh"
requires jq cmp sfdisk

export VMLIFT_STORE=$tmp/store AWS_REGION=us-east-1 PATH=$PATH:/usr/sbin:/sbin
golden=111111111111 friend=222222222222 stranger=333333333333

# is WANTED GOT: what was printed
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}
# as ACCOUNT VERB...
as() {
    VMLIFT_ACCOUNT=$1 "$VMLIFT" "${@:2}"
}
# refused ACCOUNT SLUG WORDS VERB...: EC2's code and words
refused() {
    VMLIFT_ACCOUNT=$1 expect 5 "$2" "$VMLIFT" "${@:4}"
    grep -qF -e "$3" stderr || fail "not a word of \"$3\": $(cat stderr)"
}
# way TEXT: the way round that the last refusal named
way() {
    grep -F '[rule/way-round]' stderr | grep -qF -e "$1" || fail "no way round by $1: $(cat stderr)"
}
# unseen ACCOUNT SLUG VERB...
unseen() {
    VMLIFT_ACCOUNT=$1 expect 6 "$2" "$VMLIFT" "${@:3}"
}
# image ACCOUNT AMI FILTER [OPTION...], snapshot ACCOUNT ID FILTER [OPTION...]: of its record
image() {
    as "$1" image show --json "$2" "${@:4}" 2>/dev/null | jq -r ".Images[0] | $3"
}
snapshot() {
    as "$1" snapshot show --json "$2" "${@:4}" | jq -r ".Snapshots[0] | $3"
}
# snapshots_of ACCOUNT AMI [OPTION...]
snapshots_of() {
    image "$1" "$2" '[.BlockDeviceMappings[].Ebs.SnapshotId | select(.)] | join(" ")' "${@:3}"
}
# is_disk ACCOUNT AMI|SNAPSHOT FILE [OPTION...]: its bytes
is_disk() {
    as "$1" export "$2" out.raw -O raw --force "${@:4}"
    same out.raw "$3"
}
pack_bytes() {
    find store/packs -name '*.pack' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

head -c 3000000 < <(yes 'vmlift golden image') >a.raw
truncate -s 20M a.raw
truncate -s 2M mbr.raw
echo 'start=2048, type=83, bootable' | sfdisk -q --label dos mbr.raw
mbr=$(as $golden import mbr.raw --name mbr 2>/dev/null)
web=$(as $golden import a.raw --name web --tag Env=Prod --description 'the golden one' 2>/dev/null)
disk=$(snapshots_of $golden "$web")

echo "--- private: nobody else sees it, and no other region"
is private "$(image $golden web .Visibility)"
unseen $friend InvalidAMIID.NotFound image show "$web"
unseen $friend InvalidAMIID.NotFound image share "$web" --public
unseen $friend InvalidAMIID.NotFound image copy "$web" --name mine
unseen $golden InvalidAMIID.NotFound image copy "$web" --name there --region eu-west-1
unseen $golden InvalidAMIID.NotFound image share "$web" --with $friend --region eu-west-1
unseen $friend InvalidSnapshot.NotFound snapshot show "$disk"
unseen $friend InvalidSnapshot.NotFound export "$disk" no.raw
unseen $golden InvalidSnapshot.NotFound snapshot share "$disk" --with $friend --region eu-west-1
unseen $golden InvalidSnapshot.NotFound snapshot copy "$disk" --region eu-west-1

echo "--- launch permission: seen, still its owner's, and not copied"
VMLIFT_ACCOUNT=$golden expect 0 image/launch-only "$VMLIFT" image share web --with $friend,444444444444
is "$golden shared" "$(image $friend "$web" '"\(.OwnerId) \(.Visibility)"')"
is "$web" "$(image $friend web .ImageId)" # names are as good as IDs
is '1 a.raw' "$(image $golden web '"\(.Tags | length) \(.Source)"')"
is '0 ' "$(image $friend web '"\(.Tags | length) \(.Source)"')" # these are not shared
is '222222222222 444444444444' "$(image $golden web '[.LaunchPermissions[].UserId] | join(" ")')"
is null "$(image $friend web .LaunchPermissions)"
VMLIFT_ACCOUNT=$friend expect 0 image/loophole "$VMLIFT" image show web
grep -qF 'create-volume off does not stop a launcher from copying' stderr || fail "not the loophole"
VMLIFT_ACCOUNT=$golden expect 0 image/loophole "$VMLIFT" image show web
grep -q "^launched by: *$friend\$" stdout || fail "the owner is not told with whom"
unseen $stranger InvalidAMIID.NotFound image show "$web"
unseen $friend InvalidSnapshot.NotFound snapshot show "$disk"
refused $friend AuthFailure "Not authorized for image:$web" image share web --with $stranger
refused $friend AuthFailure "Not authorized for image:$web" image unshare web --all
storage='You do not have permission to access the storage of this ami'
refused $friend InvalidRequest "$storage" image copy web --name mine
way "vmlift snapshot share $disk --with $friend"
way "vmlift image create --from-image $web"
refused $friend InvalidRequest "$storage" export web no.raw
way "vmlift image create --from-image $web"
[ ! -e no.raw ] || fail "a refused export left a file"
before=$(as $golden image show web --json)
as $golden image share web --with $friend 2>/dev/null # is already
as $golden image unshare web --with $stranger         # never was
is "$before" "$(as $golden image show web --json)"

echo "--- bad entries spoil all"
for bad in 22222222222 2222222222222 22222222222x '' everyone; do
    refused $golden InvalidAMIAttributeItemValue "Invalid attribute item value \"$bad\" for userId item type" \
        image share web --with "$stranger,$bad"
    refused $golden InvalidAMIAttributeItemValue '' snapshot share "$disk" --with "$bad,$stranger"
done
unseen $stranger InvalidAMIID.NotFound image show "$web"
unseen $stranger InvalidSnapshot.NotFound snapshot show "$disk"
refused $golden InvalidParameterValue '501 changes' image share web \
    --with "$(seq -s, 100000000000 100000000500)"
for words in 'image share web' 'snapshot share x' 'image unshare web' 'image unshare web --all --public' \
    'image unshare web --me --public'; do
    # shellcheck disable=SC2086
    VMLIFT_ACCOUNT=$golden expect 2 usage/share "$VMLIFT" $words
done
refused $golden InvalidParameterCombination 'not in a bucket' image share web --with $friend --bucket

echo "--- create-volume permission: read, and copied"
as $golden snapshot share "$disk" --with $friend
is "$golden" "$(snapshot $friend "$disk" .OwnerId)"
is '222222222222 null' "$(snapshot $golden "$disk" '[.CreateVolumePermissions[].UserId] | join(" ")') $(
    snapshot $friend "$disk" .CreateVolumePermissions)"
is "$disk" "$(as $friend snapshot list --json | jq -r '.Snapshots[].SnapshotId')"
is '' "$(as $stranger snapshot list --json | jq -r '.Snapshots[].SnapshotId')"
is_disk $friend "$disk" a.raw
is_disk $friend web a.raw
VMLIFT_ACCOUNT=$friend expect 0 '' "$VMLIFT" snapshot diff "$disk" "$disk"
unseen $stranger InvalidSnapshot.NotFound snapshot diff "$disk" "$disk"
refused $friend AuthFailure "Not authorized for snapshot:$disk" snapshot delete "$disk"
refused $friend AuthFailure "Not authorized for snapshot:$disk" snapshot share "$disk" --with $stranger
own=$(as $friend snapshot copy "$disk")
is "$friend 0" "$(snapshot $friend "$own" '"\(.OwnerId) \(.Tags | length)"')"
is_disk $friend "$own" a.raw
unseen $golden InvalidSnapshot.NotFound snapshot show "$own"

echo "--- copies: new IDs, the caller's, no bytes, no permissions, tags when asked for and one's own"
before=$(pack_bytes)
far=$(as $golden image copy web --name web --source-region us-east-1 --region eu-west-1)
near=$(as $golden image copy web --name web) # a copy's name may be there already
refused $golden image/ambiguous '' image show web
[ $(($(pack_bytes) - before)) -lt 8192 ] || fail "copies took $(($(pack_bytes) - before)) bytes"
far_disk=$(snapshots_of $golden "$far" --region eu-west-1)
[[ $far != "$web" && $far_disk =~ ^snap-[0-9a-f]{17}$ && $far_disk != "$disk" ]] || fail "$far $far_disk"
is "$golden private 0 0 [Copied $web from us-east-1] web" "$(image $golden "$far" \
    '"\(.OwnerId) \(.Visibility) \(.LaunchPermissions | length) \(.Tags | length) \(.Description)"' \
    --region eu-west-1)"
unseen $golden InvalidAMIID.NotFound image show "$far" # the ID is of its own region
unseen $golden InvalidSnapshot.NotFound snapshot show "$far_disk"
is '0 0' "$(snapshot $golden "$far_disk" '"\(.CreateVolumePermissions | length) \(.Tags | length)"' --region eu-west-1)"
is_disk $golden "$far" a.raw --region eu-west-1
tagged=$(as $golden image copy "$web" --name tagged --copy-tags --description why --json | jq -r .ImageId)
is 'Env=Prod why' "$(image $golden "$tagged" '"\(.Tags[0].Key)=\(.Tags[0].Value) \(.Description)"')"
VMLIFT_ACCOUNT=$friend expect 0 copy/tags "$VMLIFT" image copy "$web" --name mine --copy-tags
mine=$(cat stdout)
is "$friend private 0" "$(image $friend "$mine" '"\(.OwnerId) \(.Visibility) \(.Tags | length)"')"
unseen $golden InvalidAMIID.NotFound image show "$mine"
as $friend image share mine --with $stranger 2>/dev/null # its owner shares it on
is "$friend" "$(image $stranger mine .OwnerId)"
VMLIFT_ACCOUNT=$golden expect 2 usage/name "$VMLIFT" image copy "$web"
refused $golden InvalidAMIName.Malformed 'AMI names must be' image copy "$web" --name x
# copies live on without what they are copies of
as $golden image unshare "$web" --all --with-snapshots
unseen $friend InvalidAMIID.NotFound image show "$web"
unseen $friend InvalidSnapshot.NotFound snapshot show "$disk"
is private "$(image $golden "$web" .Visibility)"
is_disk $friend "$mine" a.raw
for i in "$web" "$near" "$tagged"; do
    # shellcheck disable=SC2046
    as $golden snapshot delete $(as $golden image deregister "$i" 2>/dev/null) >/dev/null
done
as $golden store gc >/dev/null
is_disk $friend "$mine" a.raw
is_disk $golden "$far" a.raw --region eu-west-1

echo "--- public, and given up"
web=$(as $golden import a.raw --name web 2>/dev/null)
as $golden image share web --public --with-snapshots
is public "$(image $stranger "$web" .Visibility)"
is all "$(image $golden web '.LaunchPermissions[].Group')"
is_disk $stranger "$web" a.raw
refused $stranger OperationNotPermitted 'is public' image unshare "$web" --me
as $golden image share web --with $stranger,$friend --with-snapshots
as $golden image tag web --tag Keep=it
as $stranger image unshare "$web" --me
is "$friend all" "$(image $golden web '[.LaunchPermissions[] | .UserId // .Group] | join(" ")')" # the others'
is Keep=it "$(image $golden web '.Tags[] | .Key + "=" + .Value')"
as $golden image unshare web --with $friend
is public "$(image $stranger "$web" .Visibility)"
as $golden image unshare web --public --with-snapshots
unseen $stranger InvalidAMIID.NotFound image show "$web"
is "$(snapshots_of $golden web)" "$(as $stranger snapshot list --json | jq -r '.Snapshots[].SnapshotId')" # its own
refused $golden OperationNotPermitted 'owns the image' image unshare web --me
is 'import share share unshare' "$(snapshot $golden "$(snapshots_of $golden web)" '[.History[].Action] | join(" ")')"

echo "--- encrypted: a customer's key can be shared, the default one not"
key=$(as $golden key create)
refused $golden InvalidParameterDependency 'KmsKeyId requires the parameter Encrypted' \
    image copy web --name x --key "$key"
is 0 "$(as $friend key list --json | jq '.Keys | length')"
as $golden image copy web --name sealed --encrypt --key "$key" >/dev/null
default=$(as $golden image copy web --name default --encrypt 2>/dev/null)
disk=$(snapshots_of $golden sealed)
again=$(as $golden image copy sealed --name again) # never to plain; in its region the same key
is "$key" "$(snapshot $golden "$(snapshots_of $golden "$again")" .KmsKeyId)"
there=$(as $golden image copy sealed --name there --source-region us-east-1 --region eu-west-1 2>/dev/null)
is "$(as $golden key list --region eu-west-1 --json | jq -r '.Keys[0].KeyId')" \
    "$(snapshot $golden "$(snapshots_of $golden "$there" --region eu-west-1)" .KmsKeyId --region eu-west-1)"
is_disk $golden "$there" a.raw --region eu-west-1
refused $golden InvalidParameter "Snapshots encrypted with the AWS Managed CMK can't be shared" \
    image share default --with $friend
way "vmlift image copy $default --encrypt --key"
refused $golden OperationNotPermitted 'Encrypted snapshots with EBS default key cannot be shared' \
    snapshot share "$(snapshots_of $golden default)" --with $friend
refused $golden OperationNotPermitted '' image share sealed --public
refused $golden OperationNotPermitted 'Encrypted snapshots cannot be shared publicly' \
    snapshot share "$disk" --public
is 'private 0' "$(image $golden sealed .Visibility) $(snapshot $golden "$disk" '.CreateVolumePermissions | length')"
VMLIFT_ACCOUNT=$golden expect 0 image/key "$VMLIFT" image share sealed --with $friend
refused $friend InvalidRequest "$storage" image copy sealed --name mine-sealed
as $golden snapshot share "$disk" --with $friend 2>/dev/null
before=$(pack_bytes)
for verb in 'image copy sealed --name mine-sealed' "snapshot copy $disk"; do
    # shellcheck disable=SC2086
    refused $friend InvalidRequest 'Given key ID is not accessible' $verb
    way "vmlift key grant $key --to $friend"
done
VMLIFT_ACCOUNT=$friend expect 5 key/denied "$VMLIFT" export sealed no.raw
is "0 $before" "$(as $friend key list --json | jq '.Keys | length') $(pack_bytes)" # nothing was made
as $golden key grant "$key" --to $friend
is_disk $friend sealed a.raw
VMLIFT_ACCOUNT=$friend expect 0 key/made "$VMLIFT" image copy sealed --name mine-sealed
mine=$(cat stdout)
theirs=$(as $friend key list --json | jq -r '.Keys[] | select(.KeyId != "'"$key"'").KeyId')
is "$theirs" "$(snapshot $friend "$(snapshots_of $friend "$mine")" .KmsKeyId)" # the caller's own
own=$(as $friend snapshot copy "$disk")
is "$theirs" "$(snapshot $friend "$own" .KmsKeyId)"
as $golden key revoke "$key" --from $friend
VMLIFT_ACCOUNT=$friend expect 5 key/denied "$VMLIFT" export sealed no.raw
is_disk $friend "$mine" a.raw
is_disk $friend "$own" a.raw

echo "--- disabled: neither shared nor copied; the marketplace's: not copied by others, not public"
as $golden image share web --with $friend --with-snapshots
as $golden image disable web
unseen $friend InvalidAMIID.NotFound image show "$web" # that ended its being shared
refused $golden IncorrectState 'is disabled' image share web --with $friend
way "vmlift image enable $web"
refused $golden IncorrectState 'is disabled' image copy web --name x-web
way "vmlift image enable $web"
as $golden image enable web
as $golden image share web --with $friend --with-snapshots
as $golden image modify web --product-code marketplace1
is marketplace "$(image $friend "$web" .Visibility)"
refused $golden OperationNotPermitted 'with product codes' image share web --public
refused $friend InvalidRequest 'Images from AWS Marketplace cannot be copied to another AWS account' \
    image copy web --name mine-too
way "vmlift image create --from-image $web"
as $golden image copy web --name own-copy >/dev/null # it takes the code along
is marketplace1 "$(image $golden own-copy '.ProductCodes[0].ProductCodeId')"

echo "--- a billing product's: not copied by others; launched and made an image it takes the code along"
disk=$(as $golden snapshot copy "$(snapshots_of $golden "$mbr")")
billed=$(as $golden image register --name billed --snapshot "$disk" --platform windows \
    --billing-product bp-6ba54002 2>/dev/null)
as $golden image share billed --with $friend --with-snapshots
refused $golden OperationNotPermitted 'with product codes' image share billed --public
refused $friend InvalidRequest 'Images with EC2 BillingProduct codes cannot be copied to another AWS account' \
    image copy billed --name mine-billed
way "vmlift image create --from-image $billed"
as $golden image copy billed --name own-billed >/dev/null
is bp-6ba54002 "$(image $golden own-billed '.BillingProducts[0]')"
as $friend snapshot copy "$disk" >/dev/null # the snapshot alone has no code

echo "--- paravirtual: a region's own kernel, and only some regions"
as $golden image register --name xen --snapshot "$disk" --virt paravirtual --kernel aki-88aa75e1 >/dev/null
for region in us-east-2 eu-west-3 ap-south-1; do
    refused $golden UnsupportedOperation "Region $region has no paravirtual images" \
        image copy xen --name xen --source-region us-east-1 --region $region
done
VMLIFT_ACCOUNT=$golden expect 0 copy/kernel "$VMLIFT" image copy xen --name xen --source-region us-east-1 --region eu-west-1
is 'paravirtual aki-dc9ed9af' "$(image $golden "$(cat stdout)" '"\(.VirtualizationType) \(.KernelId)"' --region eu-west-1)"
near=$(as $golden image copy xen --name xen-near)
is aki-88aa75e1 "$(image $golden "$near" .KernelId)"

echo "--- an instance store: copying takes permission to read its bucket"
as $golden image register --name bucket --location golden-bucket/web.manifest.xml >/dev/null
as $golden image share bucket --with $friend 2>/dev/null
refused $friend InvalidRequest "$storage" image copy bucket --name mine-bucket
as $golden image share bucket --with $friend --bucket
is $friend "$(image $golden bucket '.BucketPermissions[].UserId')"
mine=$(as $friend image copy bucket --name mine-bucket)
is "instance-store amis-for-$friend-in-us-east-1/$mine.manifest.xml" \
    "$(image $friend "$mine" '"\(.RootDeviceType) \(.ImageLocation)"')"
as $golden image unshare bucket --all --bucket
refused $friend InvalidRequest "$storage" image copy bucket --name mine-again
is '222222222222 0' "$(image $golden bucket '"\(.LaunchPermissions[0].UserId) \(.BucketPermissions | length)"')"

echo "--- all of that is in the packs, too"
list() {
    for account in $golden $friend $stranger; do
        as "$account" image list --json
        as "$account" snapshot list --json
    done
    as $golden image show --json sealed
    as $golden snapshot show --json "$disk"
}
list >before.json
run "$VMLIFT" store verify >/dev/null
run "$VMLIFT" store rebuild >/dev/null
list >after.json
same before.json after.json
