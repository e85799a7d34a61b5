"""VM Import/Export of a running endpoint (cli/86-tasks.sh), by boto3: `tasks.py all`, `none`: of one without
buckets, `begin`: no more than begins one."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from endpoint import *

ec2, bob = client("ec2", "alice"), client("ec2", "bob")


def place(key, bucket="images"):
    return {"S3Bucket": bucket, "S3Key": key}


def snapshot_task(key, kind="VMDK", bucket="images", **more):
    container = {"Format": kind, "UserBucket": place(key, bucket), "Description": "a disk"}
    return ec2.import_snapshot(DiskContainer=container, **more)


def snapshots(*ids, who=ec2, **more):
    tasks = who.describe_import_snapshot_tasks(**({"ImportTaskIds": list(ids)} if ids else {}), **more)
    return tasks["ImportSnapshotTasks"]


def images(*ids, **more):
    return ec2.describe_import_image_tasks(**({"ImportTaskIds": list(ids)} if ids else {}), **more)["ImportImageTasks"]


def exports(*ids, **more):
    ids = {"ExportImageTaskIds": list(ids)} if ids else {}
    return ec2.describe_export_image_tasks(**ids, **more)["ExportImageTasks"]


def detail(task):
    return task.get("SnapshotTaskDetail", task)


def ends(look, id, status="completed", text=None):
    """Waits until the task has ended; it, and each state that was seen."""
    seen = []
    for _ in range(1200):
        (task,) = look(id)
        state = detail(task)
        seen.append((state["Status"], state.get("StatusMessage"), state.get("Progress")))
        if state["Status"] not in ("active", "deleting"):
            break
        assert 0 < int(state["Progress"]) < 100 or state["Status"] == "deleting", state
        time.sleep(0.05)
    assert state["Status"] == status, seen[-1]
    assert "Progress" not in state, state
    assert (text or "") in state.get("StatusMessage", ""), state
    return task, seen


if sys.argv[1] == "none":
    refused("UnsupportedOperation", snapshot_task, "disk.vmdk", text="--buckets")
    assert snapshots() == images() == exports() == []
    sys.exit()
if sys.argv[1] == "begin":
    task = snapshot_task("large.raw", "RAW")["ImportTaskId"]
    while detail(snapshots(task)[0]).get("StatusMessage") == "pending":
        time.sleep(0.05)
    sys.exit()

# --- snapshots ----------------------------------------------------------------------------------

made = open("made.txt", "w", encoding="ascii")
tags = [{"ResourceType": "import-snapshot-task", "Tags": [{"Key": "a", "Value": "b"}]}]
client_data = {"Comment": "c", "UploadSize": 1.5, "UploadStart": "2026-01-01"}
begun = snapshot_task("disk.vmdk", Description="d & e", TagSpecifications=tags, RoleName="some-role",
                      ClientToken="one", ClientData=client_data)
assert begun["ImportTaskId"].startswith("import-snap-") and begun["Description"] == "d & e", begun
assert begun["Tags"] == [{"Key": "a", "Value": "b"}]
assert detail(begun)["Status"] == "active" and detail(begun)["StatusMessage"] == "pending", begun
assert detail(begun)["UserBucket"] == place("disk.vmdk") and "SnapshotId" not in detail(begun), begun
assert detail(begun)["DiskImageSize"] == os.path.getsize("buckets/images/disk.vmdk"), begun
again = snapshot_task("disk.vmdk", Description="d & e", TagSpecifications=tags, RoleName="some-role",
                      ClientToken="one", ClientData=client_data)
assert again["ImportTaskId"] == begun["ImportTaskId"]
refused("IdempotentParameterMismatch", snapshot_task, "disk.vmdk", ClientToken="one")
task, _ = ends(snapshots, begun["ImportTaskId"])
snapshot = ec2.describe_snapshots(SnapshotIds=[detail(task)["SnapshotId"]])["Snapshots"][0]
assert snapshot["State"] == "completed" and snapshot["VolumeSize"] == 1 and not snapshot["Encrypted"], snapshot
assert snapshot["Description"] == "d & e" and snapshot["OwnerId"] == "111122223333", snapshot
made.write(f"disk.vmdk {snapshot['SnapshotId']}\n")
ids = [begun["ImportTaskId"]]
for key, kind in ("disk.raw", "RAW"), ("disk.vhd", "vhd"), ("disk.vhdx", "VHDX"), ("deep/er/da ta+1.vmdk", "VMDK"):
    ids.append(snapshot_task(key, kind)["ImportTaskId"])
for id, name in zip(ids[1:], ("disk.r", "disk.v", "disk.x", "data.v")):
    made.write(f"{name} {detail(ends(snapshots, id)[0])['SnapshotId']}\n")
by_url = ec2.import_snapshot(DiskContainer={"Format": "VMDK", "Url": "s3://images/disk.vmdk"}, Encrypted=True)
assert detail(by_url)["Url"] == "s3://images/disk.vmdk" and detail(by_url)["Encrypted"], by_url
task, _ = ends(snapshots, by_url["ImportTaskId"])
ids.append(by_url["ImportTaskId"])
assert ec2.describe_snapshots(SnapshotIds=[detail(task)["SnapshotId"]])["Snapshots"][0]["Encrypted"]
made.write(f"disk.e {detail(task)['SnapshotId']}\n")

# What AWS takes for no disk.
for key, kind, text in (
    ("sparse.vmdk", "VMDK", "ClientError: Disk validation failed [Unsupported VMDK File Format]"),
    ("disk.vmdk", "VHD", "ClientError: Disk validation failed ["),
    ("short.vmdk", "VMDK", "ClientError: Disk validation failed ["),
    ("machine.ova", "VMDK", "ClientError: Disk validation failed ["),
):
    id = snapshot_task(key, kind)["ImportTaskId"]
    task, _ = ends(snapshots, id, "deleted", text)
    assert "SnapshotId" not in detail(task) and "proc" not in detail(task)["StatusMessage"], task
    assert f"s3://images/{key}" in detail(task)["StatusMessage"], task
    ids.append(id)

# What is no object, or outside.
for key in "nothing", "link.vmdk", "folder/disk.vmdk", "pipe", "deep":
    refused("InvalidParameter", snapshot_task, key, text="Invalid S3 source location")
for key in "../outside/disk.vmdk", "/etc/passwd", "a//b", "deep/", "a/../disk.vmdk", "./disk.vmdk", "k" * 1025:
    refused("InvalidParameterValue", snapshot_task, key)
for bucket in "..", ".", "ab", "no/slash", "UPPER":
    refused("InvalidParameterValue", snapshot_task, "disk.vmdk", bucket=bucket, text="bucket")
refused("InvalidParameter", snapshot_task, "disk.vmdk", bucket="linked")
refused("InvalidParameter", snapshot_task, "disk.vmdk", bucket="nowhere")
refused("InvalidParameterValue", snapshot_task, "machine.ova", "OVA")
refused("InvalidParameterValue", ec2.import_snapshot,
        DiskContainer={"Format": "RAW", "Url": "https://example.org/disk.raw"})
refused("MissingParameter", ec2.import_snapshot, DiskContainer={"Format": "RAW"})
refused("MissingParameter", ec2.import_snapshot, DiskContainer={"UserBucket": place("disk.raw")})
refused("InvalidParameterDependency", snapshot_task, "disk.vmdk", KmsKeyId="alias/aws/ebs")
refused("DryRunOperation", snapshot_task, "disk.vmdk", DryRun=True)
refused("InvalidParameterValue", snapshot_task, "disk.vmdk", TagSpecifications=[{**tags[0], "ResourceType": "image"}])

# Who sees them, and which.
assert [t["ImportTaskId"] for t in snapshots()] == ids
assert snapshots(who=bob) == []
refused("InvalidConversionTaskId", snapshots, ids[0], who=bob)
refused("InvalidConversionTaskId", snapshots, "import-snap-0123456789abcdef0")
elsewhere = client("ec2", "alice", region="eu-west-1")
assert snapshots(who=elsewhere) == []
states = lambda *values: [{"Name": "task-state", "Values": list(values)}]
assert [t["ImportTaskId"] for t in snapshots(Filters=states("completed"))] == ids[:6]
assert [t["ImportTaskId"] for t in snapshots(Filters=states("del*", "active"))] == ids[6:]
refused("InvalidParameterValue", snapshots, Filters=[{"Name": "colour", "Values": ["red"]}])
pages = ec2.get_paginator("describe_import_snapshot_tasks").paginate(PaginationConfig={"PageSize": 4})
assert [[t["ImportTaskId"] for t in p["ImportSnapshotTasks"]] for p in pages] == [ids[:4], ids[4:8], ids[8:]]
status, answer = action("alice", f"Action=DescribeImportSnapshotTasks&Version=2016-11-15&Filter.1.Name=task-state"
                        "&Filter.1.Value.1=completed")
assert status == 400 and "UnknownParameter" in answer, answer

# --- images -------------------------------------------------------------------------------------


def image_task(*keys, kind="VMDK", **more):
    return ec2.import_image(DiskContainers=[{"Format": kind, "UserBucket": place(k)} for k in keys], **more)


begun = image_task("machine.ova", kind="ova", Description="of an OVA", Platform="Linux", LicenseType="BYOL")
assert begun["ImportTaskId"].startswith("import-ami-") and begun["Status"] == "active", begun
task, seen = ends(images, begun["ImportTaskId"])
image = ec2.describe_images(ImageIds=[task["ImageId"]])["Images"][0]
assert image["Name"] == task["ImportTaskId"] and image["Description"] == "of an OVA", image
assert image["State"] == "available" and image["VirtualizationType"] == "hvm", image
disks = [m["Ebs"]["SnapshotId"] for m in image["BlockDeviceMappings"]]
assert [d["SnapshotId"] for d in task["SnapshotDetails"]] == disks, (task, disks)
made.write(f"disk.o {disks[0]}\n")
begun = image_task("disk.vmdk", "deep/er/da ta+1.vmdk", BootMode="legacy-bios", Architecture="x86_64")
two, _ = ends(images, begun["ImportTaskId"])
image = ec2.describe_images(ImageIds=[two["ImageId"]])["Images"][0]
assert image["BootMode"] == two["BootMode"] == "legacy-bios", (image, two)
assert [m["DeviceName"] for m in image["BlockDeviceMappings"]] == ["/dev/sda1", "/dev/sdf"], image
disks = [m["Ebs"]["SnapshotId"] for m in image["BlockDeviceMappings"]]
made.write(f"disk.m {disks[0]}\ndata.m {disks[1]}\n")
before = len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"])
for keys, more, text in (
    (["disk.vmdk", "sparse.vmdk"], {}, "Unsupported VMDK File Format"),
    (["sparse.vmdk", "disk.vmdk"], {}, "Unsupported VMDK File Format"),  # the second was a snapshot by then
    (["disk.vmdk"], {"Architecture": "arm64", "BootMode": "legacy-bios"}, "ClientError: "),
    (["disk.vmdk"], {"kind": "OVA"}, "Unsupported OVA format"),
):
    ends(images, image_task(*keys, **more)["ImportTaskId"], "deleted", text)
assert len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]) == before, "snapshots are left"
refused("InvalidParameterCombination", image_task, "disk.vmdk", LicenseType="AWS", UsageOperation="RunInstances")
refused("InvalidParameterValue", image_task, "disk.vmdk", BootMode="uefi-preferred")
refused("InvalidParameterValue", image_task, "machine.ova", "disk.vmdk", kind="OVA")
refused("InvalidParameterValue", image_task, *["disk.vmdk"] * 22)
refused("MissingParameter", ec2.import_image)
refused("UnsupportedOperation", ec2.import_image, DiskContainers=[{"SnapshotId": disks[0], "Format": "RAW"}])
assert len(images(Filters=states("completed"))) == 2

# --- exports ------------------------------------------------------------------------------------


def export(image=task["ImageId"], kind="VMDK", bucket="exports", prefix="to/", **more):
    return ec2.export_image(ImageId=image, DiskImageFormat=kind,
                            S3ExportLocation={"S3Bucket": bucket, "S3Prefix": prefix}, **more)


for kind in "VMDK", "VHD", "RAW":
    begun = export(kind=kind, Description="x", ClientToken=kind)
    assert begun["ExportImageTaskId"].startswith("export-ami-") and begun["DiskImageFormat"] == kind, begun
    done, _ = ends(exports, begun["ExportImageTaskId"])
    assert done["S3ExportLocation"] == {"S3Bucket": "exports", "S3Prefix": "to/"}, done
    assert os.path.exists(f"buckets/exports/to/{begun['ExportImageTaskId']}.{kind.lower()}")
assert len(exports(Filters=states("completed"))) == 3
refused("UnsupportedOperation", export, two["ImageId"], text="2 disks")
refused("InvalidParameter", export, bucket="nowhere")
refused("InvalidParameterValue", export, prefix="../")
refused("InvalidParameterValue", export, prefix="/etc/")
refused("InvalidAMIID.NotFound", export, "ami-0123456789abcdef0")
refused("InvalidAMIID.Malformed", export, "x")
refused("MissingParameter", export, bucket="")
ends(exports, export(bucket="images", prefix="folder/")["ExportImageTaskId"], "deleted", "ClientError: ")

# --- side by side, and given up -----------------------------------------------------------------

large = snapshot_task("large.raw", "RAW")["ImportTaskId"]
waits = [snapshot_task("disk.vmdk")["ImportTaskId"] for _ in range(19)]
refused("ResourceLimitExceeded", snapshot_task, "disk.vmdk")
started = time.monotonic()
while detail(snapshots(large)[0]).get("StatusMessage") == "pending":
    time.sleep(0.02)
assert detail(snapshots(waits[0])[0])["StatusMessage"] == "pending"
gone = ec2.cancel_import_task(ImportTaskId=waits[0], CancelReason="why not")
assert gone["PreviousState"] == "active" and gone["State"] == "deleting", gone
task, _ = ends(snapshots, waits[0], "deleted", "why not")
gone = ec2.cancel_import_task(ImportTaskId=large)
task, _ = ends(snapshots, large, "deleted", "cancel")
assert "SnapshotId" not in detail(task), task
for id in waits[1:]:
    ends(snapshots, id)
refused("IncorrectState", ec2.cancel_import_task, ImportTaskId=large)
refused("InvalidConversionTaskId", ec2.cancel_import_task, ImportTaskId="import-ami-0123456789abcdef0")
refused("InvalidConversionTaskId.Malformed", ec2.cancel_import_task, ImportTaskId="import-x")
refused("InvalidConversionTaskId", bob.cancel_import_task, ImportTaskId=large)
made.close()
