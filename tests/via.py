"""Publishing through a bucket (cli/86-s3.sh): `via.py VMLIFT`.

EC2's endpoint is a proxy before `vmlift serve`, which puts the objects that a task is to import into the folder
that stands for the bucket there.  Requests pass as they are, with their signatures.
"""

import http.client
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from endpoint import *

VMLIFT = sys.argv[1]
keys = key("alice")
s3 = client("s3", "alice", endpoint_url=os.environ["S3_ENDPOINT"], config=Config(s3={"addressing_style": "path"}))
ec2 = client("ec2", "alice")
s3.create_bucket(Bucket="imports")


class Import(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    actions = []
    never_ends = damages = False

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = dict(urllib.parse.parse_qsl(body.decode()))
        self.actions.append(asked)
        for name, value in asked.items():
            if name.endswith(".S3Key"):
                self.fetch(asked[name.replace("S3Key", "S3Bucket")], value)
        server = http.client.HTTPConnection(urllib.parse.urlparse(ENDPOINT).netloc)
        server.request("POST", self.path, body, dict(self.headers.items()))
        answer = server.getresponse()
        text = answer.read()
        if self.never_ends and b"<status>" in text:
            text = re.sub(b"<status>completed<", b"<status>active<", text)
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def fetch(self, bucket, key):
        path = f"buckets/{bucket}/{key}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            s3.download_file(bucket, key, path)
        except ClientError:  # EC2 will say so
            return
        if self.damages:
            with open(path, "r+b") as file:
                file.truncate(1000000)


proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Import)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
ENV = {
    **os.environ,
    "AWS_ENDPOINT_URL_S3": os.environ["S3_ENDPOINT"],
    "AWS_ENDPOINT_URL_EC2": f"http://127.0.0.1:{proxy.server_port}",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def begin(*words, via="import-snapshot", name="first", source="machine.ova"):
    """A publish that has begun."""
    Import.actions.clear()
    words = [VMLIFT, "publish", source, "--region", "us-east-1", "--via", via, "--bucket", "imports", "--force",
             "--name", name, "--store", "local", "-p", *words]
    return subprocess.Popen(words, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def publish(*words, status=0, slug="", **how):
    process = begin(*words, **how)
    out, said = process.communicate(timeout=120)
    assert process.returncode == status and (not slug or f"[{slug}]" in said), f"{process.returncode}: {said}"
    return out.strip(), said


def nothing_left():
    objects = s3.list_objects_v2(Bucket="imports").get("Contents", [])
    uploads = s3.list_multipart_uploads(Bucket="imports").get("Uploads", [])
    assert not objects and not uploads, (objects, uploads)


def snapshots():
    return {s["SnapshotId"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}


def asked(action):
    return [a for a in Import.actions if a["Action"] == action]


def until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come to that")


def is_disk(snapshot, disk):
    where = ["--store", "store", "--account", "111122223333"]
    subprocess.run([VMLIFT, "export", *where, "--force", snapshot, "got.raw"], check=True)
    with open("got.raw", "rb") as got, open(disk, "rb") as want:
        assert got.read() == want.read(), f"{snapshot} is not {disk}"


# --- disk by disk -------------------------------------------------------------------------------

image, said = publish("--tag", "a=b", "--description", "d", "--role", "my-role")
assert re.search(r"import-snap-[0-9a-f]{17}: completed", said), said
found = ec2.describe_images(ImageIds=[image])["Images"][0]
assert found["Name"] == "first" and found["State"] == "available" and found["Description"] == "d", found
(mapping,) = found["BlockDeviceMappings"]
is_disk(mapping["Ebs"]["SnapshotId"], "one.raw")
assert [a["RoleName"] for a in asked("ImportSnapshot")] == ["my-role"]
nothing_left()
there = snapshots()
assert len(there) == 1
publish(status=6, slug="InvalidAMIName.Duplicate")
assert not asked("ImportSnapshot")

# What fails is told in the task's words, and nothing stays.
Import.damages = True
_, said = publish(name="damaged", status=5, slug="vmimport/failed")
assert "ClientError: Disk validation failed [" in said, said
Import.damages = False
nothing_left()
assert snapshots() == there

# An object that is somebody else's.
s3.put_object(Bucket="imports", Key="vmlift/theirs/disk1.vmdk", Body=b"x")
publish(name="theirs", status=6, slug="s3/exists")
assert s3.get_object(Bucket="imports", Key="vmlift/theirs/disk1.vmdk")["Body"].read() == b"x"
publish("--prefix", "some/where/", name="theirs")
assert "some/where/theirs/disk1.vmdk" in asked("ImportSnapshot")[0].values()
s3.delete_object(Bucket="imports", Key="vmlift/theirs/disk1.vmdk")
nothing_left()
there = snapshots()

# Interrupted while it waits: the task is cancelled, or what it made is told of.
Import.never_ends = True
process = begin(name="stopped")
until(lambda: len(asked("DescribeImportSnapshotTasks")) > 1)
process.send_signal(signal.SIGINT)
_, said = process.communicate(timeout=60)
assert process.returncode == 130 and asked("CancelImportTask"), (process.returncode, said)
assert "cancel-import-task" in said or not snapshots() - there, said
nothing_left()
for snapshot in snapshots() - there:
    ec2.delete_snapshot(SnapshotId=snapshot)

# Killed while it waits: who goes on waits for the same task.
process = begin(name="killed")
until(lambda: len(asked("DescribeImportSnapshotTasks")) > 1)
process.kill()
process.communicate()
task = asked("DescribeImportSnapshotTasks")[0]["ImportTaskId.1"]
Import.never_ends = False
publish(name="killed", status=6, slug="publish/begun")
image, _ = publish("--resume", name="killed")
assert not asked("ImportSnapshot") and asked("DescribeImportSnapshotTasks")[0]["ImportTaskId.1"] == task
assert len(snapshots() - there) == 1, snapshots() - there
is_disk((snapshots() - there).pop(), "one.raw")
nothing_left()
there = snapshots()

# Killed while it uploads: who begins anew leaves nothing of it.
process = begin(name="early")
until(lambda: s3.list_multipart_uploads(Bucket="imports").get("Uploads") or process.poll() is not None)
process.kill()
process.communicate()
publish("--discard", name="early")
nothing_left()
assert len(snapshots() - there) == 1, snapshots() - there

# --- all at once --------------------------------------------------------------------------------

image, said = publish(via="import-image", name="whole")
assert re.search(r"import-ami-[0-9a-f]{17}: completed", said), said
found = ec2.describe_images(ImageIds=[image])["Images"][0]
assert found["Name"].startswith("import-ami-"), found
assert {"Key": "Name", "Value": "whole"} in found["Tags"], found
is_disk(found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"], "one.raw")
nothing_left()
there = snapshots()
Import.damages = True
publish(via="import-image", name="whole", status=5, slug="vmimport/failed")
Import.damages = False
nothing_left()
assert snapshots() == there

# --- words --------------------------------------------------------------------------------------

publish(via="x", status=2, slug="usage/via")
publish("--dry-run", status=2, slug="usage/via")
publish("--resume", via="import-image", status=2, slug="usage/via")
publish("--boot-mode", "uefi-preferred", "--force-boot", via="import-image", name="pref", status=5, slug="vmimport/boot-mode")
s3.delete_bucket(Bucket="imports")
publish(name="no-bucket", status=6, slug="NoSuchBucket")
publish(via="import-image", name="no-bucket", status=6, slug="NoSuchBucket")
