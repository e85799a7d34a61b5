#!/usr/bin/env python3
"""The client of AWS against botocore's signer, and against a service that is as bad as networks are.

    aws_client.py TEST_SIGV4 TEST_AWS

TEST_SIGV4 and TEST_AWS are tests/unit's programs, which sign requests and make calls by the library.  Exit
status 77: there is no botocore.
"""

import hashlib
import http.server
import json
import os
import random
import string
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

try:
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    print("skipped: no botocore", file=sys.stderr)
    sys.exit(77)

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def sign(service, region, secret, time_, method, url, headers, payload, body=b""):
    """botocore's canonical request and signature."""
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(KEY, secret), service, region)
    request = AWSRequest(method=method, url=url, data=body)
    for name, value in headers:
        request.headers[name] = value
    request.context["timestamp"] = time_
    canonical = signer.canonical_request(request)
    if payload is not None:  # botocore hashes what it is given
        canonical = canonical[: canonical.rindex("\n") + 1] + payload
    return canonical, signer.signature(signer.string_to_sign(request, canonical), request)


# --- random requests: every one must be signed as botocore does ---------------------------------


def random_text(r, alphabet, least, most):
    return "".join(r.choice(alphabet) for _ in range(r.randint(least, most)))


def random_request(r):
    service = r.choice(["ec2", "ebs", "s3", "iam"])
    anything = string.ascii_letters + string.digits + " +/=&?%~-_.,:;@()[]'*!$\u00e4\u20ac"
    # botocore takes a query as it is: it must come encoded already
    quote = lambda text: urllib.parse.quote(text, safe="-_.~")
    segments = [quote(random_text(r, anything, 0 if service == "s3" else 1, 12)) for _ in range(r.randint(0, 5))]
    if r.random() < 0.2:
        segments.insert(r.randint(0, len(segments)), r.choice([".", "..", ""]))
    query = [quote(random_text(r, anything, 1, 9)) + "=" + quote(random_text(r, anything, 0, 9)) for _ in range(r.randint(0, 6))]
    if r.random() < 0.2:
        query.append("uploads")
    headers = [("host", r.choice(["127.0.0.1:8250", "ec2.us-east-1.amazonaws.com"])), ("X-Amz-Date", "20261120T152013Z")]
    names = ["x-amz-checksum", "X-Amz-Checksum-Algorithm", "x-amz-meta-a", "x-amz-meta-a-b", "Content-Type", "x-amz-a1", "X-AMZ-A"]
    for name in r.sample(names, r.randint(0, len(names))):
        headers.append((name, random_text(r, string.ascii_letters + "  \t=;,:/+", 0, 20)))
    payload = r.choice(["UNSIGNED-PAYLOAD", hashlib.sha256(r.randbytes(9)).hexdigest()])
    return {
        "method": r.choice(["GET", "PUT", "POST", "DELETE"]),
        "path": "/" + "/".join(segments),
        "query": "&".join(query),
        "headers": headers,
        "payload": payload,
        "time": "20261120T152013Z",
        "region": r.choice(["us-east-1", "eu-west-1"]),
        "service": service,
        "secret": random_text(r, string.ascii_letters + string.digits + "/+", 20, 60),
    }


def test_signer(program, count):
    r = random.Random(80)
    requests = [random_request(r) for _ in range(count)]
    out = subprocess.run([program, "-"], input="".join(json.dumps(q) + "\n" for q in requests), text=True, stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in out.stdout.splitlines()]
    assert len(answers) == count
    for q, ours in zip(requests, answers):
        host = next(v for n, v in q["headers"] if n == "host")
        url = "https://" + host + q["path"] + ("?" + q["query"] if q["query"] else "")
        canonical, signature = sign(q["service"], q["region"], q["secret"], q["time"], q["method"], url, q["headers"], q["payload"])
        assert ours["canonical"] == canonical, f"{q}\nbotocore:\n{canonical}\nours:\n{ours['canonical']}"
        assert ours["signature"] == signature, q
    print(f"{count} requests are signed as botocore signs them")


# --- a service ----------------------------------------------------------------------------------


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script = []  # what to do with the requests to come; after that all is well
    seen = []
    tokens = {}

    def log_message(self, *args):
        pass

    def verify(self, body):
        given = dict(part.split("=", 1) for part in self.headers["Authorization"].split(" ", 1)[1].split(", "))
        key, _, region, service, _ = given["Credential"].split("/")
        names = given["SignedHeaders"].split(";")
        for name in self.headers:
            assert name.lower() in names or not name.lower().startswith("x-amz-"), name
        payload = self.headers.get("X-Amz-Content-SHA256") or hashlib.sha256(body).hexdigest()
        headers = [(n, self.headers[n]) for n in names]
        url = f"http://{self.headers['Host']}{self.path}"
        _, signature = sign(service, region, SECRET, self.headers["X-Amz-Date"], self.command, url, headers, payload, body)
        return key.startswith("AKIA") and given["Signature"] == signature

    def answer(self, status, text, headers=(), length=None):
        data = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length if length is not None else len(data)))
        self.end_headers()
        self.wfile.write(data)

    def error(self, status, code):
        self.answer(status, f"<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>")

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/latest/" in self.path or self.path == "/container":
            return self.metadata()
        self.seen.append((time.monotonic(), self.headers["Authorization"]))
        what = self.script.pop(0) if self.script else "ok"
        if what == "drop":
            self.close_connection = True
            self.connection.close()
        elif what == "truncate":
            self.answer(200, "half", length=100)
            self.close_connection = True
            self.wfile.flush()
            self.connection.close()
        elif what == "stall":
            time.sleep(4)
            self.close_connection = True
        elif what == "garbage":
            self.wfile.write(b"what?\r\n\r\n")
            self.close_connection = True
        elif isinstance(what, tuple):
            self.error(*what)
        elif not self.verify(body):
            self.error(403, "SignatureDoesNotMatch")
        else:
            self.answer(200, f"{self.command} {self.path} {body.decode()}", [("X-Test", "1")])

    def metadata(self):
        keys = {"Code": "Success", "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": "T/+=", "Expiration": "2099-01-01T00:00:00Z"}
        if self.path == "/container":
            good = self.headers["Authorization"] == "sesame"
            return self.answer(200, json.dumps(keys)) if good else self.answer(401, "")
        if self.path == "/latest/api/token":
            good = self.command == "PUT" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            return self.answer(200, "a-token") if good else self.answer(405, "")
        if self.headers["X-aws-ec2-metadata-token"] != "a-token":
            return self.answer(401, "")
        role = "/latest/meta-data/iam/security-credentials/"
        texts = {role: "a-role\n", role + "a-role": json.dumps(keys), "/latest/meta-data/placement/region": "eu-north-1"}
        return self.answer(200, texts[self.path]) if self.path in texts else self.answer(404, "")

    do_GET = do_PUT = do_POST = do_DELETE = serve


class Calls:
    def __init__(self, program):
        self.program = program
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.home = tempfile.mkdtemp()

    def call(self, *words, script=(), **env):
        """What the program says of one call: its slug, its text, how many requests, was it throttled."""
        Service.script[:] = script
        Service.seen.clear()
        base = {"HOME": self.home, "PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        base.update(env)
        words = words or ("ec2", "POST", "/", "", "Action=X")
        out = subprocess.run([self.program, "-", *words], env={k: v for k, v in base.items() if v is not None},
                             text=True, stdout=subprocess.PIPE, check=True).stdout
        assert SECRET not in out
        slug, text, requests, throttled = out.rstrip("\n").split("|")
        return slug, text, int(requests), throttled == "throttled"


def test_wire(c):
    """What arrives is what was signed, whatever is in path and query."""
    for words in [
        ("ec2", "POST", "/", "", "Action=DescribeImages&Owner.1=self"),
        ("ebs", "GET", "/snapshots/snap-1/blocks", "startingBlockIndex=0&maxResults=100"),
        ("ebs", "GET", "/snapshots/snap-1/blocks/0", "blockToken=AAUBAcu%2F%2BA%3D%3D"),
        ("ebs", "PUT", "/a%20b/%28c%29", "", "x"),
        ("s3", "PUT", "/b/dir/a%20b%2Bc%20%281%29.bin", "", "y"),
        ("s3", "POST", "/b/k.bin", "uploads"),
        ("s3", "PUT", "/b//../k.bin", "uploadId=U1%2Bx&partNumber=2", "z"),
        ("s3", "DELETE", "/b/k.bin", "uploadId=U1"),
    ]:
        slug, text, requests, _ = c.call(*words)
        want = f"{words[1]} {words[2]}{'?' if words[3] else ''}{words[3]} {words[4] if len(words) > 4 else ''}"
        assert (slug, text, requests) == ("ok", want, 1), (words, slug, text)
    assert c.call(AWS_SESSION_TOKEN="IQoJtok/en+x==")[0] == "ok"
    assert "x-amz-security-token" in Service.seen[0][1]
    slug, text, requests, _ = c.call(AWS_SECRET_ACCESS_KEY="wrong")
    assert (slug, requests) == ("SignatureDoesNotMatch", 1), slug
    assert "wrong" not in text


def test_retries(c):
    for fault in ["drop", "truncate", "garbage", "stall", (500, "InternalError"), (503, "Unavailable"), (502, "x")]:
        slug, text, requests, throttled = c.call(script=[fault])
        assert (slug, requests, throttled) == ("ok", 2, False), (fault, slug, text, requests)
    slug, text, requests, throttled = c.call(script=[(503, "RequestLimitExceeded"), (400, "Throttling")])
    assert (slug, requests, throttled) == ("ok", 3, True), (slug, text)
    for code in ["UnauthorizedOperation", "InvalidParameterValue", "AuthFailure"]:
        slug, text, requests, _ = c.call(script=[(403, code)])
        assert (slug, requests) == (code, 1), (slug, text, requests)
    slug, text, requests, _ = c.call(script=[(500, "InternalError")] * 9, AWS_MAX_ATTEMPTS="3")
    assert (slug, requests) == ("InternalError", 3) and "3 tries" in text, (slug, text, requests)
    # nobody there: a few tries, then told
    start = time.monotonic()
    slug, text, requests, _ = c.call(AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (slug, requests) == ("aws/connect", 4) and "127.0.0.1:9" in text, (slug, text)
    assert time.monotonic() - start < 5
    # full jitter: waits of one place in the order are not all alike
    waits = []
    for _ in range(5):
        c.call(script=[(500, "InternalError")] * 4)
        times = [t for t, _ in Service.seen]
        waits.append(times[4] - times[3])
        assert all(b - a < 0.1 * 2**i + 0.5 for i, (a, b) in enumerate(zip(times, times[1:])))
    assert max(waits) - min(waits) > 0.02, waits


def test_keys(c):
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    slug, text, requests, _ = c.call(**none)
    assert (slug, requests) == ("aws/credentials", 0), (slug, text)
    slug, text, _, _ = c.call(AWS_CONTAINER_CREDENTIALS_FULL_URI=c.url + "/container", AWS_CONTAINER_AUTHORIZATION_TOKEN="sesame", **none)
    assert slug == "ok", text
    token = os.path.join(c.home, "token")
    with open(token, "w") as f:
        f.write("sesame\n")
    slug, text, _, _ = c.call(AWS_CONTAINER_CREDENTIALS_FULL_URI=c.url + "/container", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token, **none)
    assert slug == "ok", text
    slug, text, _, _ = c.call(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://example.com/container", **none)
    assert slug == "aws/credentials" and "this machine" in text, text
    metadata = {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": c.url + "/"}
    slug, text, _, _ = c.call(**metadata, **none)
    assert slug == "ok", text
    assert "x-amz-security-token" in Service.seen[0][1]
    slug, text, _, _ = c.call(AWS_REGION=None, **metadata, **none)
    assert slug == "ok" and "/eu-north-1/ec2/" in Service.seen[0][1], text
    # a key whose time is over is looked for again, once
    keys = os.path.join(c.home, "keys")
    with open(keys, "w") as f:
        f.write(f"#!/bin/sh\necho x >>{keys}.calls\necho '{json.dumps({'Version': 1, 'AccessKeyId': KEY, 'SecretAccessKey': SECRET})}'\n")
    os.chmod(keys, 0o700)
    with open(os.path.join(c.home, "config"), "w") as f:
        f.write(f"[profile p]\ncredential_process = {keys}\n")
    slug, text, requests, _ = c.call(script=[(400, "ExpiredToken")], AWS_CONFIG_FILE=os.path.join(c.home, "config"), AWS_PROFILE="p", **none)
    assert (slug, requests) == ("ExpiredToken", 1), (slug, text, requests)  # it is as new as can be
    assert open(keys + ".calls").read() == "x\n"


def main():
    signer, caller = sys.argv[1:]
    test_signer(signer, 600)
    c = Calls(caller)
    for test in [test_wire, test_retries, test_keys]:
        test(c)
        print(f"{test.__name__}: as it should be")
    subprocess.run(["rm", "-rf", c.home], check=True)


main()
