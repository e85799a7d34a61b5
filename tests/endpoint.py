"""Clients of a running endpoint, as AWS's SDK for Python has them, and what tests ask of answers.

The endpoint's URL is in `endpoint`, the folder with the keys (as "vmlift serve key add --json" prints them) in
`tmp`.  A test that uses this runs with Debian's python3-boto3; without it, it is skipped.
"""

import json
import os
import re
import sys
import xml.etree.ElementTree

try:
    import boto3
    import botocore
    import botocore.parsers
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.config import Config
    from botocore.credentials import Credentials
    from botocore.exceptions import ClientError
    from botocore.httpsession import URLLib3Session
except ImportError:
    print("skipped: no boto3", file=sys.stderr)
    sys.exit(77)

# What botocore 1.29 (of 2022) does not know; what is in no model would not be noticed, since parsers skip it.
NEWER = {"imdsSupport", "deregistrationProtection", "sourceImageId", "sourceImageRegion", "fullSnapshotSizeInBytes"}
VALUES = {"boolean": "true|false", "integer": "[0-9]+", "long": "[0-9]+",
          "timestamp": "[0-9-]{10}T[0-9:]{8}[.]000Z"}


def check_shape(shape, element, where):
    """Is each element of EC2's XML one that the model has there, with a value of its type?"""
    if shape.type_name == "structure":
        members = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        for child in element:
            name = child.tag.split("}")[1]
            assert name in members or name in NEWER, f"{where}: no {name} in the model"
            if name in members:
                check_shape(members[name], child, f"{where}.{name}")
    elif shape.type_name == "list":
        for child in element:
            assert child.tag.endswith("}item"), f"{where}: {child.tag}, not item"
            check_shape(shape.member, child, f"{where}[]")
    else:
        assert len(element) == 0, f"{where}: it is no structure"
        assert re.fullmatch(VALUES.get(shape.type_name, ".*"), element.text or "", re.S), f"{where}: {element.text}"
        enum = getattr(shape, "enum", []) if shape.type_name == "string" else []
        assert not enum or element.text.lower() in [e.lower() for e in enum], f"{where}: {element.text}"


def parse(self, response, shape, real=botocore.parsers.EC2QueryParser.parse):
    if response["status_code"] == 200 and isinstance(self, botocore.parsers.EC2QueryParser):
        answer = xml.etree.ElementTree.fromstring(response["body"])
        answer.remove(answer[0])  # requestId
        if shape is not None:
            check_shape(shape, answer, answer.tag.split("}")[1])
    return real(self, response, shape)


botocore.parsers.EC2QueryParser.parse = parse

ENDPOINT = os.environ["endpoint"]
TMP = os.environ["tmp"]


def key(name):
    """An access key that the test made: the file $tmp/NAME.json."""
    with open(f"{TMP}/{name}.json", encoding="ascii") as file:
        return json.load(file)


def client(service, name, region="us-east-1", **other):
    """A client that asks once: what fails is to be seen."""
    keys = key(name)
    words = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "config": Config(retries={"total_max_attempts": 1}, read_timeout=120),
        "endpoint_url": ENDPOINT,
        "region_name": region,
    }
    return boto3.client(service, **{**words, **other})


def refused(code, call, *words, status=None, text=None, **more):
    """The call must end in that error; its message."""
    try:
        answer = call(*words, **more)
    except ClientError as error:
        got = error.response["Error"]
        http = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert got["Code"] == code, f"{got['Code']} ({got['Message']}), not {code}"
        assert status is None or http == status, f"{code}: HTTP {http}, not {status}"
        assert text is None or text in got["Message"], f"{code}: {got['Message']}: nothing of {text}"
        assert error.response["ResponseMetadata"]["RequestId"], f"{code}: without a request's ID"
        return got["Message"]
    raise AssertionError(f"not refused with {code}: {answer}")


def signed(method, path, name, region="us-east-1", service="ec2", body=b"", headers=None, signer=SigV4Auth, **other):
    """A request that botocore signs, for what its clients would not send; it can be changed before it is sent."""
    keys = key(name)
    request = AWSRequest(method, ENDPOINT + path, headers=headers or {}, data=body)
    credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"])
    signer(credentials, service, region, **other).add_auth(request)
    return request.prepare()


def send(request):
    """The answer's status, headers and text."""
    answer = URLLib3Session(verify=False).send(request)
    return answer.status_code, answer.headers, answer.text


def action(name, text, region="us-east-1"):
    """The answer to an EC2 request in the words of the wire: what an SDK's model may not have."""
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    status, _, answer = send(signed("POST", "/", name, region, body=text.encode(), headers=form))
    return status, answer
