#!/usr/bin/env python3
"""The S3 client against radosgw, and against a server that is as bad as S3 may be.

    s3_client.py VMLIFT TEST_S3

radosgw's URL is in S3_ENDPOINT, its keys are where SDKs look for them.  TEST_S3 is tests/unit's program, which
uploads a disk as a VMDK.
"""

import hashlib
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

try:
    import boto3
    from botocore.config import Config
except ImportError:
    print("skipped: no boto3", file=sys.stderr)
    sys.exit(77)

VMLIFT, TEST_S3 = sys.argv[1:3]
ENDPOINT = os.environ["S3_ENDPOINT"]
s3 = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
PART = 8 << 20


def caller(*words, endpoint=ENDPOINT, **env):
    env = {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", **env}
    env = {name: value for name, value in {**os.environ, **env}.items() if value}
    return subprocess.Popen([TEST_S3, *words], env=env, stderr=subprocess.PIPE, text=True)


def call(*words, **env):
    """Its status and what it said."""
    process = caller(*words, **env)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def succeeds(*words, **env):
    status, said = call(*words, **env)
    assert status == 0, f"{words}: {said}"


def fails(slug, *words, text="", **env):
    status, said = call(*words, **env)
    assert status == 1 and f"[{slug}]" in said and text in said, f"{words}: not {slug} {text}: {status} {said}"


def uploads(key):
    found = s3.list_multipart_uploads(Bucket="bucket", Prefix=key).get("Uploads", [])
    return [u["UploadId"] for u in found]


def keys():
    return [o["Key"] for o in s3.list_objects_v2(Bucket="bucket").get("Contents", [])]


# --- radosgw: signatures, bytes, what is left ---------------------------------------------------

with open("disk.raw", "wb") as disk:
    disk.write(os.urandom(20 << 20))
    disk.seek(100 << 20)
    disk.write(os.urandom(5 << 20))
    disk.truncate(200 << 20)
subprocess.run(
    [VMLIFT, "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "disk.raw", "disk.vmdk"],
    env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
    check=True,
)
with open("disk.vmdk", "rb") as disk:
    expected = disk.read()
with open("small.raw", "wb") as disk:
    disk.truncate(1 << 20)

s3.create_bucket(Bucket="bucket")
s3.create_bucket(Bucket="Old_Bucket.name")


def is_whole(key, bucket="bucket"):
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == expected, f"{key} is another file"
    return got


fails("SignatureDoesNotMatch", "bucket", "k", "disk.raw", AWS_SECRET_ACCESS_KEY="x")
fails("InvalidAccessKeyId", "bucket", "k", "disk.raw", AWS_ACCESS_KEY_ID="AKIANOBODY")
fails("NoSuchBucket", "nothing-here", "k", "disk.raw")
fails("s3/bucket", "a/b", "k", "disk.raw")
fails("s3/bucket", "..", "k", "disk.raw")
assert keys() == [], keys()

for bucket, key in [("bucket", "vmlift/it's (1) a+b=c/disk1.vmdk"), ("Old_Bucket.name", "k")]:
    succeeds(bucket, key, "disk.raw")
    got = is_whole(key, bucket)
    assert got["ETag"].endswith(f'-{-(-len(expected) // PART)}"'), got["ETag"]
    assert got["Metadata"].keys() == {"vmlift"}, got["Metadata"]
succeeds("bucket", "small", "small.raw")  # of one part
assert s3.head_object(Bucket="bucket", Key="small")["ContentLength"] > 0
succeeds("bucket", "small", "small.raw")  # again: it was vmlift's own
succeeds("bucket", "small")
succeeds("bucket", "small")  # what is gone is gone
s3.put_object(Bucket="bucket", Key="theirs", Body=b"x")
fails("s3/exists", "bucket", "theirs", "disk.raw", text="s3://bucket/theirs")
assert s3.get_object(Bucket="bucket", Key="theirs")["Body"].read() == b"x"
assert "small" not in keys() and uploads("") == [], (keys(), uploads(""))

# versions: what was made is what is deleted
with open("large.raw", "wb") as disk:
    for _ in range(16):
        disk.write(os.urandom(16 << 20))


def stopped(key, how):
    """An upload that gets the signal once parts have arrived."""
    process = caller("bucket", key, "large.raw")
    while process.poll() is None:
        found = uploads(key)
        if found and s3.list_parts(Bucket="bucket", Key=key, UploadId=found[0]).get("Parts"):
            process.send_signal(how)
            break
    said = process.communicate(timeout=60)[1]
    assert process.returncode != 0, "it was quicker than its end"
    return said


said = stopped("interrupted", signal.SIGINT)
assert "[interrupted]" in said, said
assert uploads("interrupted") == [], "an interrupted upload is left"
stopped("killed", signal.SIGKILL)
stopped("killed-too", signal.SIGKILL)
assert len(uploads("killed")) == 2, uploads("killed")
succeeds("bucket", "killed", "disk.raw")  # whoever tries again takes away what is left
assert uploads("killed-too") == uploads("killed") != [], "not only its own was aborted"
is_whole("killed")
succeeds("bucket", "killed-too", "disk.raw")
assert uploads("") == [], uploads("")
assert not {"interrupted"} & set(keys()), keys()


# --- a server with faults -----------------------------------------------------------------------


class Bad(http.server.BaseHTTPRequestHandler):
    """An S3 that looks at no signature; what goes wrong is in `wrong`: how often is left."""

    protocol_version = "HTTP/1.1"
    wrong, parts, objects, open_uploads, seen = {}, {}, {}, set(), []
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def goes_wrong(self, what):
        with self.lock:
            left = self.wrong.get(what, 0)
            self.wrong[what] = left - 1 if left > 0 else 0
            return left > 0

    def answer(self, status, body="", **headers):
        body = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.command, path, query))
        name = {
            ("POST", True): "complete",
            ("POST", False): "create",
            ("PUT", True): "part",
            ("DELETE", True): "abort",
        }.get((self.command, "uploadId" in query), "other")
        if self.goes_wrong(name + " 500"):
            self.answer(500, "<Error><Code>InternalError</Code><Message>Try again</Message></Error>")
        elif self.goes_wrong(name + " SlowDown"):
            self.answer(503, "<Error><Code>SlowDown</Code><Message>Slower</Message></Error>")
        else:
            getattr(self, name)(path, query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def other(self, path, query, body):
        if self.command == "HEAD" and path.count("/") == 1:
            self.answer(200, **{"x-amz-bucket-region": "eu-west-1" if "other" in path else "us-east-1"})
        elif self.command == "HEAD" and path in self.objects:
            self.answer(200, ETag=self.objects[path])
        elif self.command == "HEAD":
            self.answer(404)
        elif "uploads" in query:
            self.answer(200, "<ListMultipartUploadsResult></ListMultipartUploadsResult>")
        else:
            self.answer(204)

    def create(self, path, query, body):
        self.parts.clear()
        upload = f"u+/{len(self.seen)}"
        self.open_uploads.add(upload)
        self.answer(200, f"<R><UploadId>{upload}</UploadId></R>")

    def part(self, path, query, body):
        md5 = hashlib.md5(body)
        if self.goes_wrong("damaged part"):
            md5 = hashlib.md5(b"x" + body)
        if self.goes_wrong("dropped part"):
            self.close_connection = True
            return
        with self.lock:
            self.parts[int(query["partNumber"])] = (md5, body)
        secret = self.wrong.get("kms", 0) > 0
        headers = {"x-amz-server-side-encryption": "aws:kms"} if secret else {}
        self.answer(200, ETag=f'"{md5.hexdigest()[::-1] if secret else md5.hexdigest()}"', **headers)

    def complete(self, path, query, body):
        said = [int(n) for n in re.findall(rb"<PartNumber>(\d+)<", body)]
        if query["uploadId"] not in self.open_uploads:
            self.answer(404, "<Error><Code>NoSuchUpload</Code><Message>None</Message></Error>")
        elif self.goes_wrong("complete 200 InternalError"):
            self.answer(200, "\n \n<Error><Code>InternalError</Code><Message>We encountered</Message></Error>")
        elif self.goes_wrong("complete 200 AccessDenied"):
            self.answer(200, '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>No</Message></Error>')
        elif said != sorted(self.parts):
            self.answer(400, "<Error><Code>InvalidPart</Code><Message>Parts</Message></Error>")
        else:
            sums = b"".join(self.parts[n][0].digest() for n in said)
            etag = f'"{hashlib.md5(sums).hexdigest()}-{len(said)}"'
            if self.goes_wrong("damaged whole"):
                etag = '"' + "0" * 32 + f'-{len(said)}"'
            self.objects[path] = etag
            self.open_uploads.discard(query["uploadId"])
            if self.goes_wrong("dropped complete"):
                self.close_connection = True
                return
            self.answer(200, f"<R><ETag>{etag.replace(chr(34), '&quot;')}</ETag></R>")

    def abort(self, path, query, body):
        self.open_uploads.discard(query["uploadId"])
        self.answer(204)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bad)
threading.Thread(target=server.serve_forever, daemon=True).start()
bad = f"http://127.0.0.1:{server.server_port}"


def with_faults(**wrong):
    Bad.wrong = {name.replace("_", " "): left for name, left in wrong.items()}
    Bad.seen.clear()
    Bad.objects.clear()


for wrong in (
    {},
    {"create_500": 1, "part_500": 2, "complete_500": 1, "part_SlowDown": 3},
    {"damaged_part": 2, "dropped_part": 1},
    {"complete_200_InternalError": 2},
    {"dropped_complete": 1},
    {"kms": 1},
):
    with_faults(**wrong)
    succeeds("bucket", "a b", "disk.raw", endpoint=bad)
    whole = b"".join(Bad.parts[n][1] for n in sorted(Bad.parts))
    assert whole == expected and "/bucket/a%20b" in Bad.objects and not Bad.open_uploads, wrong
for wrong, slug in (
    ({"complete_200_AccessDenied": 1}, "AccessDenied"),
    ({"part_500": 99}, "InternalError"),
    ({"damaged_part": 99}, "aws/broken"),
    ({"damaged_whole": 1}, "s3/damaged"),
):
    with_faults(**wrong)
    fails(slug, "bucket", "a b", "disk.raw", endpoint=bad)
    assert not Bad.open_uploads, (wrong, Bad.open_uploads)
assert ("DELETE", "/bucket/a%20b", {}) in Bad.seen, "what has arrived damaged is left"
with_faults()
fails("s3/region", "other-bucket", "k", "disk.raw", endpoint=bad, text="eu-west-1")


# --- AWS itself: a bucket has a host ------------------------------------------------------------


class Proxy(http.server.BaseHTTPRequestHandler):
    asked = set()

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.asked.add(self.path)
        self.send_error(403)


proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
through = {"https_proxy": f"http://127.0.0.1:{proxy.server_port}", "endpoint": "", "no_proxy": "", "AWS_MAX_ATTEMPTS": "1"}
for bucket in "a-bucket", "a.bucket":
    status, said = call(bucket, "k", "disk.raw", **through)
    assert status == 1, said
assert Proxy.asked == {"a-bucket.s3.us-east-1.amazonaws.com:443", "s3.us-east-1.amazonaws.com:443"}, Proxy.asked
