"""What tests/cli/83-ec2-actions.sh asks of an endpoint: each action, by boto3 where it has it."""

import sys

sys.path.insert(0, sys.argv[1])
from endpoint import *

ALICE, BOB = "111122223333", "444455556666"
alice, bob, carol = client("ec2", "alice"), client("ec2", "bob"), client("ec2", "carol")
ireland = client("ec2", "alice", "eu-west-1")
NONE, NO_SNAPSHOT = "ami-0123456789abcdef0", "snap-0123456789abcdef0"


def text_of(name):
    with open(f"{TMP}/{name}.txt", encoding="ascii") as file:
        return file.read().strip()


def image(of, ami, **more):
    (one,) = of.describe_images(ImageIds=[ami], **more)["Images"]
    return one


def names(answer):
    return sorted(i["Name"] for i in answer["Images"])


def filters(**words):
    return [{"Name": k.replace("__", ":").replace("_", "-"), "Values": [v] if isinstance(v, str) else v}
            for k, v in words.items()]


def has(operation, member):
    """Botocore 1.29 is of 2022."""
    return member in alice.meta.service_model.operation_model(operation).input_shape.members


def root(snapshot, **more):
    return [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, **more}}]


first = text_of("first")
secret = text_of("secret")
it = image(alice, first)
snapshot = it["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
sealed = image(alice, secret)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
RUN = f"run-{botocore.__version__}"

# --- DescribeImages
assert it["Name"] == "first" and it["OwnerId"] == ALICE and it["State"] == "available", it
assert it["Architecture"] == "x86_64" and it["VirtualizationType"] == "hvm" and not it["Public"], it
assert it["ImageLocation"] == f"{ALICE}/first" and it["RootDeviceType"] == "ebs", it
assert it["Tags"] == [{"Key": "Env", "Value": "Prod"}], it
assert it["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 1, it
assert it["PlatformDetails"] == "Linux/UNIX" and it["UsageOperation"] == "RunInstances", it
refused("InvalidAMIID.NotFound", alice.describe_images, ImageIds=[NONE], status=400, text=NONE)
refused("InvalidAMIID.NotFound", bob.describe_images, ImageIds=[first])
refused("InvalidAMIID.NotFound", ireland.describe_images, ImageIds=[first])
refused("InvalidAMIID.Malformed", alice.describe_images, ImageIds=["first"])
refused("InvalidAMIID.Malformed", alice.describe_images, ImageIds=["ami-1"])
refused("InvalidParameterValue", alice.describe_images, Filters=filters(colour="red"))
refused("InvalidUserID.Malformed", alice.describe_images, Owners=["alice"])
refused("DryRunOperation", alice.describe_images, DryRun=True, status=412)

# --- RegisterImage
words = {"Architecture": "x86_64", "VirtualizationType": "hvm", "RootDeviceName": "/dev/xvda"}


def register(name, of=alice, **more):
    return of.register_image(**{"Name": f"{RUN}/{name}", "BlockDeviceMappings": root(snapshot), **words, **more})["ImageId"]


full = register(
    "full", Description="everything <&> \"said\" \u00fc", EnaSupport=True, BootMode="uefi", TpmSupport="v2.0", ImdsSupport="v2.0",
    SriovNetSupport="simple", BlockDeviceMappings=[
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, "VolumeSize": 8, "VolumeType": "gp3",
                                            "Iops": 4000, "Throughput": 200, "DeleteOnTermination": True}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 20, "Encrypted": True, "VolumeType": "io2", "Iops": 500}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
        {"DeviceName": "/dev/sdg", "NoDevice": ""}])
it = image(alice, full)
assert it["Description"] == "everything <&> \"said\" \u00fc" and it["EnaSupport"] and it["BootMode"] == "uefi", it
assert it["TpmSupport"] == "v2.0" and it["ImdsSupport"] == "v2.0" and it["SriovNetSupport"] == "simple", it
assert [m["DeviceName"] for m in it["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/sdf", "/dev/sdb", "/dev/sdg"], it
assert it["BlockDeviceMappings"][0]["Ebs"] == {
    "SnapshotId": snapshot, "VolumeSize": 8, "VolumeType": "gp3", "Iops": 4000, "Throughput": 200,
    "DeleteOnTermination": True, "Encrypted": False}, it
assert it["BlockDeviceMappings"][1]["Ebs"]["Encrypted"] and not it["BlockDeviceMappings"][1]["Ebs"]["DeleteOnTermination"], it
assert it["BlockDeviceMappings"][2] == {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}, it
assert it["BlockDeviceMappings"][3]["NoDevice"] == "", it
plain = register("plain")
assert not image(alice, plain).get("EnaSupport") and image(alice, plain)["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] == "gp2"
# What is not said of architecture and virtualization: i386 and paravirtual, as EC2 has it.
pv = alice.register_image(Name=f"{RUN}/pv", RootDeviceName="/dev/sda1", BlockDeviceMappings=[
    {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}])["ImageId"]
it = image(alice, pv)
assert (it["Architecture"], it["VirtualizationType"]) == ("i386", "paravirtual") and it["KernelId"].startswith("aki-"), it

refused("InvalidAMIName.Duplicate", register, "plain", text=plain)
refused("InvalidAMIName.Malformed", register, "a:b")
for wire, code in {"": "MissingParameter", "&Name=ab": "InvalidAMIName.Malformed"}.items(): # newer SDKs do not send these
    assert code in action("alice", f"Action=RegisterImage&Version=2016-11-15{wire}")[1]
refused("InvalidSnapshot.NotFound", register, "no", BlockDeviceMappings=root(NO_SNAPSHOT))
refused("InvalidSnapshotID.Malformed", register, "no", BlockDeviceMappings=root("snap-x"))
refused("InvalidSnapshot.NotFound", register, "no", of=bob)
refused("InvalidSnapshot.NotFound", register, "no", of=ireland)
refused("InvalidBlockDeviceMapping", register, "no", BlockDeviceMappings=root(snapshot, Encrypted=False), text="encrypted flag")
refused("InvalidBlockDeviceMapping", register, "no", RootDeviceName="/dev/sda1")
refused("InvalidBlockDeviceMapping", register, "no", BlockDeviceMappings=root(snapshot) + root(snapshot))
refused("InvalidBlockDeviceMapping", register, "no", BlockDeviceMappings=[
    {"DeviceName": "/dev/xvda", "VirtualName": "ephemeral0", "Ebs": {"SnapshotId": snapshot}}])
refused("InvalidParameterCombination", register, "no", Architecture="arm64", BootMode="legacy-bios")
refused("InvalidParameterValue", register, "no", Architecture="vax")
refused("DryRunOperation", register, "no", DryRun=True, status=412)
assert not alice.describe_images(Filters=filters(name=f"{RUN}/no"))["Images"]

# --- lists: filters, owners, pages
assert names(alice.describe_images(Owners=["self"], Filters=filters(name=f"{RUN}/*"))) == [f"{RUN}/full", f"{RUN}/plain", f"{RUN}/pv"]
assert names(alice.describe_images(Filters=filters(name=[f"{RUN}/p?*", f"{RUN}/full"], virtualization_type="hvm"))) == [f"{RUN}/full", f"{RUN}/plain"]
assert names(alice.describe_images(Filters=filters(tag__Env="Prod", state="available"))) == ["first"]
assert [i["ImageId"] for i in alice.describe_images(Filters=[{"Name": "block-device-mapping.snapshot-id", "Values": [sealed]}])["Images"]] == [secret]
assert not bob.describe_images()["Images"] and not ireland.describe_images(Owners=["self"])["Images"]
many = [register(f"many-{i}") for i in range(7)]
if has("DescribeImages", "MaxResults"):
    refused("InvalidParameterValue", alice.describe_images, MaxResults=1001)
    refused("InvalidNextToken", alice.describe_images, MaxResults=5, NextToken="x")
    seen, token, pages = [], {}, 0
    while True:
        page = alice.describe_images(Filters=filters(name=f"{RUN}/many-*"), MaxResults=3, **token)
        seen += [i["ImageId"] for i in page["Images"]]
        pages += 1
        if "NextToken" not in page or pages > 9:
            break
        token = {"NextToken": page["NextToken"]}
        # What goes meanwhile takes nothing else with it; a token is good for its own question only.
        alice.deregister_image(ImageId=page["Images"][-1]["ImageId"])
        refused("InvalidNextToken", alice.describe_images, Filters=filters(name="x"), MaxResults=3, **token)
        refused("InvalidNextToken", bob.describe_images, Filters=filters(name=f"{RUN}/many-*"), MaxResults=3, **token)
    assert seen == many and pages == 3, (seen, many, pages)
for ami in alice.describe_images(Filters=filters(name=f"{RUN}/many-*"))["Images"]:
    alice.deregister_image(ImageId=ami["ImageId"])

# --- permissions to launch, both forms
def launchers(ami, of=alice):
    return of.describe_image_attribute(ImageId=ami, Attribute="launchPermission")["LaunchPermissions"]


alice.modify_image_attribute(ImageId=plain, LaunchPermission={"Add": [{"UserId": BOB}]})
alice.modify_image_attribute(ImageId=plain, Attribute="launchPermission", OperationType="add", UserIds=["777788889999"])
assert launchers(plain) == [{"UserId": BOB}, {"UserId": "777788889999"}], launchers(plain)
assert image(bob, plain)["OwnerId"] == ALICE and "Tags" not in image(bob, plain)
assert names(bob.describe_images(ExecutableUsers=["self"])) == [f"{RUN}/plain"]
refused("AuthFailure", bob.modify_image_attribute, ImageId=plain, LaunchPermission={"Add": [{"Group": "all"}]}, text=plain)
refused("AuthFailure", launchers, plain, of=bob)
refused("AuthFailure", bob.deregister_image, ImageId=plain)
refused("AuthFailure", bob.create_tags, Resources=[plain], Tags=[{"Key": "a", "Value": "b"}])
alice.modify_image_attribute(ImageId=plain, LaunchPermission={"Add": [{"Group": "all"}], "Remove": [{"UserId": BOB}]})
assert launchers(plain) == [{"UserId": "777788889999"}, {"Group": "all"}], launchers(plain)
assert image(carol, plain)["Public"] and image(alice, plain)["DeprecationTime"]
assert names(bob.describe_images(Filters=filters(is_public="true"))) == [f"{RUN}/plain"]
alice.modify_image_attribute(ImageId=plain, Attribute="launchPermission", OperationType="remove", UserGroups=["all"])
alice.modify_image_attribute(ImageId=plain, LaunchPermission={"Add": [{"UserId": BOB}]})
action_form = f"Version=2016-11-15&ImageId={plain}"
assert action("bob", f"Action=CancelImageLaunchPermission&{action_form}")[0] == 200
assert launchers(plain) == [{"UserId": "777788889999"}], launchers(plain)
alice.reset_image_attribute(ImageId=plain, Attribute="launchPermission")
assert launchers(plain) == []
refused("InvalidAMIID.NotFound", carol.describe_images, ImageIds=[plain])
refused("InvalidAMIAttributeItemValue", alice.modify_image_attribute, ImageId=plain, LaunchPermission={"Add": [{"UserId": "all"}]})
refused("InvalidAMIAttributeItemValue", alice.modify_image_attribute, ImageId=plain, LaunchPermission={"Add": [{"Group": "some"}]})
refused("InvalidAMIAttributeItemValue", alice.modify_image_attribute, ImageId=plain,
        LaunchPermission={"Add": [{"UserId": BOB}, {"UserId": "1"}]})
assert launchers(plain) == [] # all or nothing
refused("UnsupportedOperation", alice.modify_image_attribute, ImageId=plain,
        LaunchPermission={"Add": [{"OrganizationArn": "arn:aws:organizations::111122223333:organization/o-abcdefghij"}]})
refused("MissingParameter", alice.modify_image_attribute, ImageId=plain)
refused("MissingParameter", alice.modify_image_attribute, ImageId=plain, Attribute="launchPermission", UserIds=[BOB])
refused("InvalidParameterValue", alice.modify_image_attribute, ImageId=plain, OperationType="give", UserIds=[BOB])
refused("InvalidParameterCombination", alice.modify_image_attribute, ImageId=plain, Description={"Value": "x"},
        LaunchPermission={"Add": [{"UserId": BOB}]})
refused("InvalidParameterCombination", alice.modify_image_attribute, ImageId=plain, Attribute="launchPermission", Description={"Value": "x"})
refused("InvalidParameterCombination", alice.modify_image_attribute, ImageId=plain, Value="x", Description={"Value": "y"})
refused("InvalidParameterCombination", alice.modify_image_attribute, ImageId=plain, OperationType="add", Description={"Value": "y"})
refused("DryRunOperation", alice.modify_image_attribute, ImageId=plain, Description={"Value": "x"}, DryRun=True)
refused("AuthFailure", alice.describe_image_attribute, ImageId=plain, Attribute="blockDeviceMapping")

# --- other attributes
alice.modify_image_attribute(ImageId=plain, Description={"Value": "one"})
alice.modify_image_attribute(ImageId=plain, Attribute="description", Value="two")
assert alice.describe_image_attribute(ImageId=plain, Attribute="description")["Description"]["Value"] == "two"
action("alice", f"Action=ModifyImageAttribute&{action_form}&ImdsSupport.Value=v2.0")
assert image(alice, plain)["ImdsSupport"] == "v2.0"
for attribute, member in {"kernel": "KernelId", "ramdisk": "RamdiskId", "sriovNetSupport": "SriovNetSupport",
                          "bootMode": "BootMode", "tpmSupport": "TpmSupport", "productCodes": "ProductCodes"}.items():
    assert member in alice.describe_image_attribute(ImageId=full, Attribute=attribute), attribute
assert alice.describe_image_attribute(ImageId=full, Attribute="bootMode")["BootMode"]["Value"] == "uefi"
refused("InvalidParameterValue", alice.modify_image_attribute, ImageId=plain, Attribute="colour", Value="red")

# --- snapshots and their permissions
def snap(of, ident):
    (one,) = of.describe_snapshots(SnapshotIds=[ident])["Snapshots"]
    return one


it = snap(alice, snapshot)
assert it["State"] == "completed" and it["Progress"] == "100%" and it["VolumeSize"] == 1 and not it["Encrypted"], it
assert it["OwnerId"] == ALICE and it["StorageTier"] == "standard" and it["VolumeId"] == "vol-ffffffff", it
it = snap(alice, sealed)
assert it["Encrypted"] and it["KmsKeyId"].startswith(f"arn:aws:kms:us-east-1:{ALICE}:key/") and it["Description"], it
refused("InvalidSnapshot.NotFound", bob.describe_snapshots, SnapshotIds=[snapshot])
refused("InvalidSnapshotID.Malformed", alice.describe_snapshots, SnapshotIds=["snap-z"])
refused("InvalidParameterValue", alice.describe_snapshots, MaxResults=4)
refused("InvalidParameterCombination", alice.describe_snapshots, MaxResults=5, SnapshotIds=[snapshot])
alice.modify_snapshot_attribute(SnapshotId=snapshot, CreateVolumePermission={"Add": [{"UserId": BOB}]})
alice.modify_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"])
got = alice.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
assert got["CreateVolumePermissions"] == [{"UserId": BOB}, {"Group": "all"}], got
assert snapshot in [s["SnapshotId"] for s in carol.describe_snapshots(RestorableByUserIds=["all"])["Snapshots"]]
alice.modify_snapshot_attribute(SnapshotId=snapshot, CreateVolumePermission={"Remove": [{"Group": "all"}]})
refused("InvalidSnapshot.NotFound", carol.describe_snapshots, SnapshotIds=[snapshot])
assert snap(bob, snapshot)["OwnerId"] == ALICE
refused("AuthFailure", bob.modify_snapshot_attribute, SnapshotId=snapshot, CreateVolumePermission={"Add": [{"Group": "all"}]})
refused("AuthFailure", bob.delete_snapshot, SnapshotId=snapshot)
refused("InvalidParameterCombination", alice.modify_snapshot_attribute, SnapshotId=snapshot,
        CreateVolumePermission={"Add": [{"UserId": BOB}], "Remove": [{"Group": "all"}]})
refused("OperationNotPermitted", alice.modify_snapshot_attribute, SnapshotId=sealed,
        CreateVolumePermission={"Add": [{"Group": "all"}]})
refused("InvalidSnapshot.InUse", alice.delete_snapshot, SnapshotId=snapshot, text=snapshot)

# --- copies
copied = ireland.copy_image(Name=f"{RUN}/copy", SourceRegion="us-east-1", SourceImageId=plain)["ImageId"]
it = image(ireland, copied)
assert it["Description"] == f"[Copied {plain} from us-east-1] {RUN}/plain" and it["OwnerId"] == ALICE, it
there = it["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
assert there != snapshot and snap(ireland, there)["VolumeSize"] == 1
refused("InvalidSnapshot.NotFound", alice.describe_snapshots, SnapshotIds=[there])
token = {"Name": f"{RUN}/once", "SourceRegion": "us-east-1", "SourceImageId": first, "ClientToken": f"t-{RUN}"}
once = ireland.copy_image(**token)["ImageId"]
assert ireland.copy_image(**token)["ImageId"] == once
refused("IdempotentParameterMismatch", ireland.copy_image, **{**token, "Name": f"{RUN}/twice"})
other = client("ec2", "bob", "eu-west-1")
refused("InvalidAMIID.NotFound", other.copy_image, **{**token, "SourceImageId": plain})
alice.modify_image_attribute(ImageId=full, LaunchPermission={"Add": [{"UserId": BOB}]})
bobs = bob.copy_image(Name=f"{RUN}/bobs", SourceRegion="us-east-1", SourceImageId=full)["ImageId"]
assert image(bob, bobs)["OwnerId"] == BOB
alice.modify_snapshot_attribute(SnapshotId=snapshot, CreateVolumePermission={"Remove": [{"UserId": BOB}]})
refused("InvalidRequest", bob.copy_image, Name=f"{RUN}/no", SourceRegion="us-east-1", SourceImageId=full,
        text="You do not have permission to access the storage of this ami")
refused("InvalidParameterDependency", alice.copy_image, Name=f"{RUN}/no", SourceRegion="us-east-1", SourceImageId=full,
        KmsKeyId="alias/aws/ebs")
closed = alice.copy_image(Name=f"{RUN}/closed", SourceRegion="us-east-1", SourceImageId=plain, Encrypted=True)["ImageId"]
assert image(alice, closed)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
alice.create_tags(Resources=[full], Tags=[{"Key": f"k{i}", "Value": ""} for i in range(30)])
tagged = [f"&TagSpecification.1.Tag.{i + 1}.Key=k{i + 9}" for i in range(30)]
ask = f"Action=CopyImage&Version=2016-11-15&SourceRegion=us-east-1&SourceImageId={full}&CopyImageTags=true&TagSpecification.1.ResourceType=image"
count = len(alice.describe_images(Owners=["self"])["Images"])
status, answer = action("alice", f"{ask}&Name={RUN}/tags" + "".join(tagged) + "&TagSpecification.1.Tag.40.Key=x" + "".join(
    f"&TagSpecification.1.Tag.{i + 50}.Key=y{i}" for i in range(11)))
assert "TagLimitExceeded" in answer and len(alice.describe_images(Owners=["self"])["Images"]) == count, answer
status, answer = action("alice", f"{ask}&Name={RUN}/tags" + "".join(tagged))
assert status == 200, answer
(both,) = alice.describe_images(Owners=["self"], Filters=filters(name=f"{RUN}/tags"))["Images"]
assert len(both["Tags"]) == 39, both
alice.deregister_image(ImageId=both["ImageId"])
taken = ireland.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=snapshot, Description="taken", TagSpecifications=[
    {"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}])
assert taken["Tags"] == [{"Key": "a", "Value": "b"}] and snap(ireland, taken["SnapshotId"])["Tags"] == taken["Tags"]
assert snap(ireland, taken["SnapshotId"])["Description"] == "taken"
ireland.delete_snapshot(SnapshotId=taken["SnapshotId"])
refused("InvalidSnapshot.NotFound", ireland.delete_snapshot, SnapshotId=taken["SnapshotId"])

# --- machines and volumes: what they were made of
made = bob.create_image(InstanceId=full.replace("ami-", "i-"), Name=f"{RUN}/created", NoReboot=True, TagSpecifications=[
    {"ResourceType": "image", "Tags": [{"Key": "of", "Value": "image"}]},
    {"ResourceType": "snapshot", "Tags": [{"Key": "of", "Value": "snapshot"}]}])["ImageId"]
it = image(bob, made)
assert it["OwnerId"] == BOB and it["Tags"] == [{"Key": "of", "Value": "image"}] and it["BootMode"] == "uefi", it
assert snap(bob, it["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])["Tags"] == [{"Key": "of", "Value": "snapshot"}]
refused("InvalidInstanceID.NotFound", bob.create_image, InstanceId="i-0123456789abcdef0", Name=f"{RUN}/no")
refused("InvalidInstanceID.Malformed", bob.create_image, InstanceId="i-1", Name=f"{RUN}/no")
volume = snapshot.replace("snap-", "vol-")
it = alice.create_snapshot(VolumeId=volume, Description="of a volume")
assert it["State"] == "completed" and it["VolumeId"] == volume and it["VolumeSize"] == 1, it
alice.get_waiter("snapshot_completed").wait(SnapshotIds=[it["SnapshotId"]])
alice.delete_snapshot(SnapshotId=it["SnapshotId"])
refused("InvalidVolume.NotFound", bob.create_snapshot, VolumeId=volume)

# --- tags
alice.create_tags(Resources=[plain, snapshot], Tags=[{"Key": "Stage", "Value": "one"}, {"Key": "Empty", "Value": ""}])
assert sorted(t["Key"] for t in image(alice, plain)["Tags"]) == ["Empty", "Stage"]
got = alice.describe_tags(Filters=filters(resource_id=[plain, snapshot], key="Stage"))["Tags"]
assert got == [{"Key": "Stage", "ResourceId": plain, "ResourceType": "image", "Value": "one"},
               {"Key": "Stage", "ResourceId": snapshot, "ResourceType": "snapshot", "Value": "one"}], got
assert len(alice.describe_tags(Filters=filters(resource_type="image", tag__Stage="o*"))["Tags"]) == 1
pages = list(alice.get_paginator("describe_tags").paginate(PaginationConfig={"PageSize": 5}))
assert sum(len(p["Tags"]) for p in pages) == len(alice.describe_tags()["Tags"])
alice.delete_tags(Resources=[plain], Tags=[{"Key": "Stage", "Value": "two"}, {"Key": "Empty", "Value": ""}])
assert [t["Key"] for t in image(alice, plain)["Tags"]] == ["Stage"]
alice.delete_tags(Resources=[plain, snapshot], Tags=[])
assert "Tags" not in image(alice, plain) and "Tags" not in snap(alice, snapshot)
refused("InvalidID", alice.create_tags, Resources=["i-0123456789abcdef0"], Tags=[{"Key": "a", "Value": "b"}])
refused("InvalidAMIID.NotFound", alice.create_tags, Resources=[plain, NONE], Tags=[{"Key": "a", "Value": "b"}])
assert "Tags" not in image(alice, plain) # all or nothing
refused("InvalidTagKey.Malformed", alice.create_tags, Resources=[plain], Tags=[{"Key": "aws:x", "Value": "b"}])
refused("TagLimitExceeded", alice.create_tags, Resources=[plain], Tags=[{"Key": str(i), "Value": ""} for i in range(51)])
refused("MissingParameter", alice.create_tags, Resources=[plain], Tags=[])

# --- deprecation, disabling, protection
alice.enable_image_deprecation(ImageId=plain, DeprecateAt="2030-01-01T00:00:29Z")
assert image(alice, plain)["DeprecationTime"] == "2030-01-01T00:00:00.000Z"
refused("InvalidParameterValue", alice.enable_image_deprecation, ImageId=plain, DeprecateAt="2001-01-01T00:00:00Z")
alice.disable_image_deprecation(ImageId=plain)
assert "DeprecationTime" not in image(alice, plain)


def ok(ask, expected, who="alice"):
    status, answer = action(who, f"{ask}&Version=2016-11-15&ImageId={plain}")
    assert status == 200 and expected in answer, answer


def no(ask, code, who="alice"):
    status, answer = action(who, f"{ask}&Version=2016-11-15&ImageId={plain}")
    assert status != 200 and f"<Code>{code}</Code>" in answer, answer


ok("Action=DisableImage", "<return>true</return>")
assert not alice.describe_images(ImageIds=[plain])["Images"]
ok("Action=EnableImage", "<return>true</return>")
no("Action=EnableImage", "IncorrectState")
ok("Action=EnableImageDeregistrationProtection", "<return>enabled-without-cooldown</return>")
no("Action=DeregisterImage", "OperationNotPermitted")
ok("Action=DisableImageDeregistrationProtection", "<return>disabled</return>")

# --- the end of an image
refused("DryRunOperation", alice.deregister_image, ImageId=plain, DryRun=True, status=412)
alice.deregister_image(ImageId=plain)
refused("InvalidAMIID.Unavailable", alice.deregister_image, ImageId=plain)
status, answer = action("alice", f"Action=DeregisterImage&Version=2016-11-15&ImageId={closed}&DeleteAssociatedSnapshots=true")
assert status == 200 and "<returnCode>success</returnCode>" in answer, answer
for ami in (full, pv):
    alice.deregister_image(ImageId=ami)
for of, amis in ((ireland, (copied, once)), (bob, (bobs, made))):
    for ami in amis:
        of.deregister_image(ImageId=ami)
for of in (alice, bob, ireland):
    for one in of.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        if one["SnapshotId"] not in (snapshot, sealed):
            of.delete_snapshot(SnapshotId=one["SnapshotId"])

# --- every action that there is says so when it is only tried out, and takes nothing that it does not know
ids = f"ImageId={first}&SnapshotId={snapshot}"
for name, words in {
    "DescribeImages": "", "DescribeSnapshots": "", "DescribeTags": "", "DescribeRegions": "",
    "RegisterImage": f"Name=try&RootDeviceName=/dev/sda1&BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.SnapshotId={snapshot}",
    "CopyImage": f"Name=try&SourceRegion=us-east-1&SourceImageId={first}",
    "CopySnapshot": f"SourceRegion=us-east-1&SourceSnapshotId={snapshot}",
    "CreateImage": f"Name=try&InstanceId={first.replace('ami-', 'i-')}",
    "CreateSnapshot": f"VolumeId={volume}", "DeleteSnapshot": f"SnapshotId={sealed}",
    "CreateTags": f"ResourceId.1={first}&Tag.1.Key=try", "DeleteTags": f"ResourceId.1={first}&Tag.1.Key=try",
    "DeregisterImage": f"ImageId={first}", "CancelImageLaunchPermission": f"ImageId={first}",
    "DescribeImageAttribute": f"ImageId={first}&Attribute=description",
    "ModifyImageAttribute": f"ImageId={first}&Description.Value=try",
    "ResetImageAttribute": f"ImageId={first}&Attribute=launchPermission",
    "DescribeSnapshotAttribute": f"SnapshotId={snapshot}&Attribute=createVolumePermission",
    "ModifySnapshotAttribute": f"SnapshotId={snapshot}&CreateVolumePermission.Add.1.UserId={BOB}",
    "ResetSnapshotAttribute": f"SnapshotId={snapshot}&Attribute=createVolumePermission",
    "DisableImage": f"ImageId={first}", "EnableImage": f"ImageId={first}",
    "EnableImageDeprecation": f"ImageId={first}&DeprecateAt=2030-01-01", "DisableImageDeprecation": f"ImageId={first}",
    "EnableImageDeregistrationProtection": f"ImageId={first}", "DisableImageDeregistrationProtection": f"ImageId={first}",
}.items():
    for extra, code in (("DryRun=true", "DryRunOperation"), ("Colour=red", "UnknownParameter")):
        status, answer = action("alice", f"Action={name}&Version=2016-11-15&{words}&{extra}".replace("&&", "&"))
        assert f"<Code>{code}</Code>" in answer, f"{name}: {answer}"
assert image(alice, first)["Description"] == image(alice, first)["Description"] if "Description" in image(alice, first) else True
assert names(alice.describe_images(Owners=["self"])) == ["first", "secret"], names(alice.describe_images(Owners=["self"]))
