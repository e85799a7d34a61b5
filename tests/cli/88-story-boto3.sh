#!/usr/bin/env bash
# The same life as in 87-story-awscli.sh, and more of it, in AWS's SDK for Python: machines of two disks,
# uploads by several threads, children of snapshots, waiters, pages, tokens; and who asks for the same thing
# at the same time.
. "$(dirname "$0")/../functions.sh"
requires python3 jq
"$VMLIFT" serve --help >/dev/null || exit 77 # built without

for who in alice=111122223333 bob=444455556666; do
    "$VMLIFT" serve key add --store store --account "${who#*=}" --json >"${who%%=*}.json"
done
# shellcheck disable=SC2119 # it has no options here
serve
cat >story.py <<'PYTHON'
import base64
import hashlib
import random
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, sys.argv[1])
from endpoint import *

ALICE, BOB = "111122223333", "444455556666"
BLOCK = 524288
RUN = f"story-{botocore.__version__}"
alice, bob, ireland = client("ec2", "alice"), client("ec2", "bob"), client("ec2", "alice", "eu-west-1")
ebs = {of: client("ebs", "alice", region) for of, region in (("here", "us-east-1"), ("there", "eu-west-1"))}
threads = ThreadPoolExecutor(8)


def digest(data):
    return hashlib.sha256(data).digest()


def text(raw):
    return base64.b64encode(raw).decode()


def upload(disk, parent=None, **more):
    """A snapshot of these blocks, by number, put by several threads."""
    words = {"VolumeSize": 1, "ClientToken": f"{RUN}-{random.random()}", **more}
    if parent:
        words["ParentSnapshotId"] = parent
    snapshot = ebs["here"].start_snapshot(**words)["SnapshotId"]
    assert ebs["here"].start_snapshot(**words)["SnapshotId"] == snapshot
    assert alice.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "pending"

    def put(item):
        number, block = item
        ebs["here"].put_snapshot_block(SnapshotId=snapshot, BlockIndex=number, BlockData=block, DataLength=BLOCK,
                                       Checksum=text(digest(block)), ChecksumAlgorithm="SHA256")

    list(threads.map(put, disk.items()))
    ebs["here"].complete_snapshot(
        SnapshotId=snapshot, ChangedBlocksCount=len(disk), ChecksumAlgorithm="SHA256", ChecksumAggregationMethod="LINEAR",
        Checksum=text(digest(b"".join(digest(disk[i]) for i in sorted(disk)))))
    alice.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot])
    return snapshot


def download(of, snapshot):
    listed = ebs[of].list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    return {b["BlockIndex"]: ebs[of].get_snapshot_block(SnapshotId=snapshot, **b)["BlockData"].read() for b in listed}


# --- two disks, of one of which there is a child
numbers = random.Random(88)
system = {i: numbers.randbytes(BLOCK) for i in (0, 1, 7, 200, 2047)}
data = {i: numbers.randbytes(BLOCK) for i in range(4)}
first = upload(system, Description="the system", Tags=[{"Key": "Disk", "Value": "system"}])
change = {1: numbers.randbytes(BLOCK), 9: numbers.randbytes(BLOCK)}
newer = upload(change, parent=first)
assert download("here", newer) == {**system, **change}
changed = ebs["here"].list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=newer)["ChangedBlocks"]
assert [c["BlockIndex"] for c in changed] == [1, 9], changed
volume = upload(data)

# --- an image of them
words = dict(Name=f"{RUN}/web (01)", Architecture="x86_64", VirtualizationType="hvm", EnaSupport=True, RootDeviceName="/dev/sda1",
             BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": newer, "VolumeType": "gp3"}},
                                  {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": volume, "VolumeSize": 3}}])
ami = alice.register_image(**words)["ImageId"]
alice.get_waiter("image_available").wait(ImageIds=[ami])
refused("InvalidAMIName.Duplicate", alice.register_image, **words)
alice.create_tags(Resources=[ami, newer, volume], Tags=[{"Key": "Env", "Value": "Prod"}, {"Key": "N\u00e4me", "Value": "<&>"}])
asked = [{"Name": "tag:Env", "Values": ["Prod", "Test"]}, {"Name": "name", "Values": [f"{RUN}/*"]}, {"Name": "state", "Values": ["available"]}]
(it,) = alice.describe_images(Owners=["self"], Filters=asked)["Images"]
assert it["ImageId"] == ami and [m["Ebs"]["VolumeSize"] for m in it["BlockDeviceMappings"]] == [1, 3], it
assert {"Key": "N\u00e4me", "Value": "<&>"} in it["Tags"], it
pages = alice.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], PaginationConfig={"PageSize": 5})
assert {first, newer, volume} <= {s["SnapshotId"] for p in pages for s in p["Snapshots"]}

# --- shared, and copied by who may read the disks
refused("InvalidAMIID.NotFound", bob.describe_images, ImageIds=[ami])
alice.modify_image_attribute(ImageId=ami, LaunchPermission={"Add": [{"UserId": BOB}]})
assert bob.describe_images(ExecutableUsers=["self"])["Images"][0]["ImageId"] == ami
refused("AuthFailure", bob.deregister_image, ImageId=ami)
mine = dict(Name=f"{RUN}/mine", SourceRegion="us-east-1", SourceImageId=ami)
alice.modify_snapshot_attribute(SnapshotId=newer, CreateVolumePermission={"Add": [{"UserId": BOB}]})
refused("InvalidRequest", bob.copy_image, **mine)  # of one disk only
alice.modify_snapshot_attribute(SnapshotId=volume, CreateVolumePermission={"Add": [{"UserId": BOB}]})
bobs = bob.copy_image(**mine)["ImageId"]
alice.reset_image_attribute(ImageId=ami, Attribute="launchPermission")
refused("InvalidAMIID.NotFound", bob.describe_images, ImageIds=[ami])
assert bob.describe_images(ImageIds=[bobs])["Images"][0]["OwnerId"] == BOB

# --- another region, where it is encrypted; a token keeps it from being done twice, also at the same time
refused("InvalidAMIID.NotFound", ireland.describe_images, ImageIds=[ami])
far = dict(Name=f"{RUN}/far", SourceRegion="us-east-1", SourceImageId=ami, Encrypted=True, ClientToken=f"{RUN}/far")
copies = {c["ImageId"] for c in threads.map(lambda _: ireland.copy_image(**far), range(6))}
assert len(copies) == 1, copies
(copy,) = copies
ireland.get_waiter("image_available").wait(ImageIds=[copy])
refused("IdempotentParameterMismatch", ireland.copy_image, **{**far, "Encrypted": False})
(it,) = ireland.describe_images(ImageIds=[copy])["Images"]
assert all(m["Ebs"]["Encrypted"] for m in it["BlockDeviceMappings"]) and "Tags" not in it, it
assert download("there", it["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]) == {**system, **change}

# --- who asks at the same time: one name is one image's, tags are all there
def register(_):
    try:
        return alice.register_image(**{**words, "Name": f"{RUN}/race"})["ImageId"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidAMIName.Duplicate", error
        return None


won = [i for i in threads.map(register, range(8)) if i]
assert len(won) == 1, won
list(threads.map(lambda i: alice.create_tags(Resources=[ami, volume], Tags=[{"Key": f"t{i}", "Value": str(i)}]), range(16)))
for of in (ami, volume):
    got = alice.describe_tags(Filters=[{"Name": "resource-id", "Values": [of]}, {"Name": "key", "Values": ["t*"]}])["Tags"]
    assert len(got) == 16, got

# --- an upload that is given up, or that is not what it was said to be
given_up = ebs["here"].start_snapshot(VolumeSize=1)["SnapshotId"]
refused("IncorrectState", alice.register_image, Name=f"{RUN}/no", RootDeviceName="/dev/sda1", Architecture="x86_64",
        VirtualizationType="hvm", BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": given_up}}])
refused("IncorrectState", alice.copy_snapshot, SourceRegion="us-east-1", SourceSnapshotId=given_up)
alice.delete_snapshot(SnapshotId=given_up)
refused("InvalidSnapshot.NotFound", alice.describe_snapshots, SnapshotIds=[given_up])
refused("ResourceNotFoundException", ebs["here"].put_snapshot_block, SnapshotId=given_up, BlockIndex=0, BlockData=bytes(BLOCK),
        DataLength=BLOCK, Checksum=text(digest(bytes(BLOCK))), ChecksumAlgorithm="SHA256")

# --- the end
alice.enable_image_deprecation(ImageId=ami, DeprecateAt="2031-01-01T00:00:00Z")
assert alice.describe_images(ImageIds=[ami])["Images"][0]["DeprecationTime"] == "2031-01-01T00:00:00.000Z"
alice.disable_image_deprecation(ImageId=ami)
for name in ("DisableImage", "EnableImage"):
    assert action("alice", f"Action={name}&Version=2016-11-15&ImageId={ami}")[0] == 200
refused("InvalidSnapshot.InUse", alice.delete_snapshot, SnapshotId=volume)
for of, images in ((alice, [ami, *won]), (bob, [bobs]), (ireland, [copy])):
    for one in images:
        of.deregister_image(ImageId=one)
        refused("InvalidAMIID.Unavailable", of.deregister_image, ImageId=one)
    for one in of.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        of.delete_snapshot(SnapshotId=one["SnapshotId"])
    assert not of.describe_images(Owners=["self"])["Images"] and not of.describe_snapshots(OwnerIds=["self"])["Snapshots"]

# --- keys, clocks and regions that are wrong
wrong = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
refused("SignatureDoesNotMatch", client("ec2", "alice", aws_secret_access_key=wrong).describe_images, status=403)
refused("AuthFailure", client("ec2", "alice", aws_access_key_id="AKIAIOSFODNN7EXAMPLE").describe_images, status=401)
refused("AuthFailure", client("ec2", "alice", "nowhere").describe_images, status=401)
refused("InvalidSignatureException", client("ebs", "alice", aws_secret_access_key=wrong).start_snapshot, VolumeSize=1, status=403)
PYTHON
with_boto story.py
stop_server
# Nothing is left but what gc takes.
"$VMLIFT" store gc --store store >/dev/null
"$VMLIFT" store verify --store store >/dev/null
"$VMLIFT" store stats --store store --json | jq -e '.snapshots == 0 and .blocks == 0' >/dev/null ||
    fail "something is left: $("$VMLIFT" store stats --store store --json)"
