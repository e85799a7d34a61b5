#!/usr/bin/env bash
# EBS's direct APIs, by the clients that AWS has for them: what is put can be got, what was imported can
# be got too, and what is refused is refused with EBS's own exceptions and reasons.
# shellcheck disable=SC2119 # serve has no options here
. "$(dirname "$0")/../functions.sh"
requires python3 curl jq
"$VMLIFT" serve --help >/dev/null || exit 77 # built without
python3 -c 'import boto3' 2>/dev/null || /usr/bin/python3 -c 'import boto3' 2>/dev/null || exit 77

alice=111122223333 bob=444455556666
export VMLIFT_STORE=$tmp/store alice bob
"$VMLIFT" serve key add --account $alice --json >alice.json
"$VMLIFT" serve key add --account $bob --json >bob.json
"$VMLIFT" serve key add --account 777788889999 --json >carol.json

# A disk with holes that is not as long as a volume would be.
python3 - <<'PYTHON'
import random
random.seed(7)
with open("disk.raw", "wb") as disk:
    for at, n in ((0, 700000), (5 << 20, 3 << 20), (100 << 20, 1 << 20)):
        disk.seek(at)
        disk.write(random.randbytes(n))
    disk.truncate((120 << 20) + 512)
PYTHON
"$VMLIFT" import disk.raw --name disk --account $alice >/dev/null
"$VMLIFT" snapshot list --account $alice --json | jq -r '.. | .SnapshotId? // empty' | head -1 >imported
serve

cat >ebs.py <<'PYTHON'
import base64
import hashlib
import json
import random
import subprocess
import sys
import time

sys.path.insert(0, sys.argv[1])
from endpoint import *

BLOCK = 524288
ZERO = bytes(BLOCK)
NO_CHECKS = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
alice, bob = client("ebs", "alice"), client("ebs", "bob")
loose = client("ebs", "alice", config=NO_CHECKS)
random.seed(1)


def why(code, reason, call, *words, status=400, **more):
    """Refused with that exception, and that reason."""
    try:
        answer = call(*words, **more)
    except ClientError as error:
        got, http = error.response, error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert got["Error"]["Code"] == code, got
        assert got.get("Reason") == reason, got
        assert http == status, got
        return
    raise AssertionError(f"not refused with {code}: {answer}")


def vmlift(*words):
    return subprocess.run([os.environ["VMLIFT"], *words], check=True, stdout=subprocess.PIPE).stdout.decode()


def b64(raw):
    return base64.b64encode(raw).decode()


def sha(block):
    return hashlib.sha256(block).digest()


def some(seed):
    """A block: half of it noise, the other half text."""
    return random.Random(seed).randbytes(BLOCK // 2) + f"{seed:16}".encode() * (BLOCK // 32)


def put(snapshot, number, block, who=alice, **more):
    words = {"SnapshotId": snapshot, "BlockIndex": number, "BlockData": block, "DataLength": BLOCK,
             "Checksum": b64(sha(block)), "ChecksumAlgorithm": "SHA256"}
    return who.put_snapshot_block(**{**words, **more})


def linear(blocks):
    return b64(hashlib.sha256(b"".join(sha(blocks[n]) for n in sorted(blocks))).digest())


def complete(snapshot, blocks, who=alice, **more):
    words = {"SnapshotId": snapshot, "ChangedBlocksCount": len(blocks), "Checksum": linear(blocks),
             "ChecksumAlgorithm": "SHA256", "ChecksumAggregationMethod": "LINEAR"}
    return who.complete_snapshot(**{**words, **more})


def upload(blocks, who=alice, **start):
    """Puts them in any order; the snapshot's ID."""
    snapshot = who.start_snapshot(**{"VolumeSize": 1, **start})["SnapshotId"]
    order = list(blocks)
    random.shuffle(order)
    for n in order:
        put(snapshot, n, blocks[n], who)
    complete(snapshot, blocks, who)
    return snapshot


def pages(call, key, **words):
    """All of a list, and the sizes of its pages."""
    found, sizes, token = [], [], None
    while True:
        answer = call(**words, **({"NextToken": token} if token else {}))
        found += answer[key]
        sizes.append(len(answer[key]))
        token = answer.get("NextToken")
        if not token:
            return found, sizes, answer


def content(snapshot, who=alice):
    """Number and bytes of every block, each of them checked."""
    blocks = {}
    for entry in pages(who.list_snapshot_blocks, "Blocks", SnapshotId=snapshot)[0]:
        got = who.get_snapshot_block(SnapshotId=snapshot, BlockIndex=entry["BlockIndex"],
                                     BlockToken=entry["BlockToken"])
        block = got["BlockData"].read()
        assert got["DataLength"] == BLOCK == len(block) and got["ChecksumAlgorithm"] == "SHA256", got
        assert got["Checksum"] == b64(sha(block)), got
        blocks[entry["BlockIndex"]] = block
    return blocks


# --- a snapshot from its beginning to its end
asked = {"VolumeSize": 3, "Description": "ä & <b>", "Tags": [{"Key": "Name", "Value": "x y"}, {"Key": "k", "Value": ""}],
         "ClientToken": f"token-{time.time()}", "Timeout": 10}
before = time.time()
first = alice.start_snapshot(**asked)
assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
snapshot = first["SnapshotId"]
assert first["Status"] == "pending" and first["OwnerId"] == os.environ["alice"], first
assert first["VolumeSize"] == 3 and first["BlockSize"] == BLOCK and first["Description"] == asked["Description"], first
assert first["Tags"] == asked["Tags"] and "ParentSnapshotId" not in first and "KmsKeyArn" not in first, first
assert abs(first["StartTime"].timestamp() - before) < 60, first
# The same once more is the same; something else with that token is refused; another account's token is another.
assert alice.start_snapshot(**asked)["SnapshotId"] == snapshot
why("ConflictException", None, alice.start_snapshot, status=409, **{**asked, "VolumeSize": 4})
assert bob.start_snapshot(**asked)["SnapshotId"] != snapshot

blocks = {0: some(0), 7: some(7), 6143: some(3), 8: ZERO, 9: bytes(BLOCK - 1) + b"x"}
answer = put(snapshot, 7, some(99))
assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201, answer
assert answer["Checksum"] == b64(sha(some(99))) and answer["ChecksumAlgorithm"] == "SHA256", answer
for n, block in blocks.items():
    put(snapshot, n, block, Progress=50)
put(snapshot, 0, some(0))

wrong = "ValidationException"
why(wrong, "INVALID_BLOCK", put, snapshot, 1, some(1), Checksum=b64(sha(some(2))))
why(wrong, "INVALID_BLOCK", put, snapshot, 6144, some(1))
why(wrong, "INVALID_PARAMETER_VALUE", put, snapshot, 1, some(1)[1:])
why(wrong, "INVALID_PARAMETER_VALUE", put, snapshot, 1, some(1), DataLength=BLOCK - 1)
why(wrong, "INVALID_PARAMETER_VALUE", put, snapshot, 1, some(1), Checksum="abc")
why(wrong, "INVALID_PARAMETER_VALUE", put, snapshot, 1, some(1), loose, ChecksumAlgorithm="MD5")
why(wrong, "INVALID_PARAMETER_VALUE", put, snapshot, 1, some(1), loose, Progress=101)
missing = "ResourceNotFoundException"
why(missing, "SNAPSHOT_NOT_FOUND", put, "snap-0123456789abcdef0", 1, some(1), status=404)
why(wrong, "INVALID_SNAPSHOT_ID", put, "snap-xyz", 1, some(1), loose)
why(missing, "SNAPSHOT_NOT_FOUND", put, snapshot, 1, some(1), bob, status=404)
why(missing, "SNAPSHOT_NOT_FOUND", put, snapshot, 1, some(1), client("ebs", "alice", region="eu-west-1"), status=404)
# What is not completed is not to be read, and nobody else's business.
why(wrong, "INVALID_SNAPSHOT_ID", alice.list_snapshot_blocks, SnapshotId=snapshot)
why(missing, "SNAPSHOT_NOT_FOUND", bob.list_snapshot_blocks, SnapshotId=snapshot, status=404)
why(wrong, "INVALID_SNAPSHOT_ID", alice.start_snapshot, VolumeSize=3, ParentSnapshotId=snapshot)
assert snapshot not in vmlift("snapshot", "list", "--account", os.environ["alice"])

# A gc beside it takes nothing away.
vmlift("store", "gc")

why(wrong, "INVALID_PARAMETER_VALUE", complete, snapshot, blocks, ChangedBlocksCount=4)
why(wrong, "INVALID_PARAMETER_VALUE", complete, snapshot, blocks, Checksum=linear({0: some(0)}))
why(wrong, "INVALID_PARAMETER_VALUE", complete, snapshot, blocks, loose, ChecksumAggregationMethod="TREE")
why(missing, "SNAPSHOT_NOT_FOUND", complete, snapshot, blocks, bob, status=404)
done = complete(snapshot, blocks)
assert done["ResponseMetadata"]["HTTPStatusCode"] == 202 and done["Status"] == "pending", done
complete(snapshot, blocks)  # the answer might have been lost
why(wrong, "INVALID_PARAMETER_VALUE", complete, snapshot, blocks, ChangedBlocksCount=4)
why(wrong, "INVALID_SNAPSHOT_ID", put, snapshot, 1, some(1))
shown = json.loads(vmlift("snapshot", "show", snapshot, "--account", os.environ["alice"], "--json"))
shown = shown.get("Snapshots", [shown])[0]
assert shown["Description"] == asked["Description"] and shown["SizeInBytes"] == 3 << 30, shown
assert shown["Tags"] == asked["Tags"], shown
assert "upload" in vmlift("snapshot", "history", snapshot, "--account", os.environ["alice"])
got = content(snapshot)
assert got == {n: block for n, block in blocks.items() if block != ZERO}, list(got)

# Nothing put at all, with the checksum of nothing, and without any.
empty = alice.start_snapshot(VolumeSize=1)["SnapshotId"]
assert linear({}) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
complete(empty, {})
other = alice.start_snapshot(VolumeSize=65536)["SnapshotId"]
alice.complete_snapshot(SnapshotId=other, ChangedBlocksCount=0)
assert content(empty) == {} == content(other)

# --- tokens
listed = alice.list_snapshot_blocks(SnapshotId=snapshot)
assert listed["VolumeSize"] == 3 and listed["BlockSize"] == BLOCK, listed
assert 604700 < listed["ExpiryTime"].timestamp() - time.time() < 604900, listed
tokens = {b["BlockIndex"]: b["BlockToken"] for b in listed["Blocks"]}
again = {b["BlockIndex"]: b["BlockToken"] for b in alice.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]}
assert list(tokens) == [0, 7, 9, 6143] and not set(tokens.values()) & set(again.values()), tokens
read = alice.get_snapshot_block
token = tokens[7]
for bad in (tokens[0], token[:-4], token[4:], token.swapcase(), "aa", token[:40] + ("A" if token[40] != "A" else "B") + token[41:]):
    why(wrong, "INVALID_BLOCK_TOKEN", read, SnapshotId=snapshot, BlockIndex=7, BlockToken=bad)
why(wrong, "INVALID_BLOCK_TOKEN", read, SnapshotId=snapshot, BlockIndex=8, BlockToken=token)
why(wrong, "INVALID_BLOCK_TOKEN", read, SnapshotId=empty, BlockIndex=7, BlockToken=token)
why(missing, "SNAPSHOT_NOT_FOUND", bob.get_snapshot_block, SnapshotId=snapshot, BlockIndex=7, BlockToken=token, status=404)
why(wrong, "INVALID_PAGE_TOKEN", alice.list_snapshot_blocks, SnapshotId=snapshot, NextToken=token)

# --- what was imported is there, block by block
with open(f"{TMP}/imported", encoding="ascii") as file:
    imported = file.read().strip()
with open(f"{TMP}/disk.raw", "rb") as file:
    disk = file.read()
want = {}
for n in range(-(-len(disk) // BLOCK)):
    block = disk[n * BLOCK:(n + 1) * BLOCK].ljust(BLOCK, b"\0")
    if block != ZERO:
        want[n] = block
assert content(imported) == want
assert alice.list_snapshot_blocks(SnapshotId=imported)["VolumeSize"] == 1

# --- over a parent: it begins with its content, and a block of zeroes takes away what is there
changed = {0: ZERO, 1: some(11), 6143: some(12), 8191: some(13)}
child = upload(changed, VolumeSize=4, ParentSnapshotId=snapshot)
want = {n: b for n, b in {**blocks, **changed}.items() if b != ZERO}
assert content(child) == want
grandchild = upload({1: some(11), 9: some(14)}, VolumeSize=4, ParentSnapshotId=child)
assert content(grandchild) == {**want, 9: some(14)}


def changes(first, second, **words):
    found = pages(alice.list_changed_blocks, "ChangedBlocks", FirstSnapshotId=first, SecondSnapshotId=second, **words)[0]
    seen = {}
    for entry in found:
        n = entry["BlockIndex"]
        seen[n] = tuple(
            read(SnapshotId=of, BlockIndex=n, BlockToken=entry[name])["BlockData"].read() if name in entry else None
            for of, name in ((first, "FirstBlockToken"), (second, "SecondBlockToken")))
    return seen


assert changes(snapshot, child) == {0: (some(0), None), 1: (None, some(11)), 6143: (some(3), some(12)),
                                    8191: (None, some(13))}
assert changes(child, grandchild) == {9: (blocks[9], some(14))}  # what was put and is the same has not changed
assert list(changes(snapshot, grandchild)) == [0, 1, 9, 6143, 8191]
assert list(changes(snapshot, grandchild, StartingBlockIndex=9)) == [9, 6143, 8191]
assert changes(child, child) == {}
every = alice.list_changed_blocks(SecondSnapshotId=child)["ChangedBlocks"]
assert [b["BlockIndex"] for b in every] == sorted(want) and all("FirstBlockToken" not in b for b in every)
why(wrong, "UNRELATED_SNAPSHOTS", alice.list_changed_blocks, FirstSnapshotId=empty, SecondSnapshotId=child)
why(wrong, "UNRELATED_SNAPSHOTS", alice.list_changed_blocks, FirstSnapshotId=imported, SecondSnapshotId=child)
why(missing, "SNAPSHOT_NOT_FOUND", alice.list_changed_blocks, FirstSnapshotId="snap-00000000", SecondSnapshotId=child,
    status=404)
# The middle of a chain may go.
vmlift("snapshot", "delete", child, "--account", os.environ["alice"])
vmlift("store", "gc")
assert content(grandchild) == {**want, 9: some(14)}
assert list(changes(snapshot, grandchild)) == [0, 1, 9, 6143, 8191]

# --- pages
many = {n * 3: n.to_bytes(4, "big") * (BLOCK // 4) for n in range(1, 251)}
long = upload(many)
numbers = sorted(many)
found, sizes, answer = pages(alice.list_snapshot_blocks, "Blocks", SnapshotId=long, MaxResults=100)
assert [b["BlockIndex"] for b in found] == numbers and sizes == [100, 100, 50], sizes
assert pages(loose.list_snapshot_blocks, "Blocks", SnapshotId=long, MaxResults=5)[1] == [100, 100, 50]
assert pages(alice.list_snapshot_blocks, "Blocks", SnapshotId=long)[1] == [250]
start = alice.list_snapshot_blocks(SnapshotId=long, StartingBlockIndex=400, MaxResults=100)
assert [b["BlockIndex"] for b in start["Blocks"]] == [n for n in numbers if n >= 400][:100]
after = alice.list_snapshot_blocks(SnapshotId=long, StartingBlockIndex=3, NextToken=start["NextToken"])["Blocks"]
assert [b["BlockIndex"] for b in after] == [n for n in numbers if n >= 400][100:]
assert alice.list_snapshot_blocks(SnapshotId=long, StartingBlockIndex=2000)["Blocks"] == []
next_page = start["NextToken"]
why(wrong, "INVALID_PAGE_TOKEN", alice.list_snapshot_blocks, SnapshotId=snapshot, NextToken=next_page)
why(wrong, "INVALID_PAGE_TOKEN", alice.list_changed_blocks, SecondSnapshotId=long, NextToken=next_page)
why(wrong, "INVALID_PARAMETER_VALUE", loose.list_snapshot_blocks, SnapshotId=long, MaxResults=10001)
why(wrong, "INVALID_PARAMETER_VALUE", loose.list_snapshot_blocks, SnapshotId=long, StartingBlockIndex=-1)

# --- permissions: whoever may create volumes of it may read it, and hang something on it
vmlift("snapshot", "share", snapshot, "--with", os.environ["bob"], "--account", os.environ["alice"])
assert content(snapshot, bob) == got
theirs = upload({2: some(2)}, bob, VolumeSize=3, ParentSnapshotId=snapshot)
assert content(theirs, bob) == {**got, 2: some(2)}
why(missing, "SNAPSHOT_NOT_FOUND", alice.list_snapshot_blocks, SnapshotId=theirs, status=404)
why("AccessDeniedException", "UNAUTHORIZED_ACCOUNT", put, snapshot, 1, some(1), bob, status=403)
why("AccessDeniedException", "UNAUTHORIZED_ACCOUNT", complete, snapshot, blocks, bob, status=403)
vmlift("snapshot", "unshare", snapshot, "--with", os.environ["bob"], "--account", os.environ["alice"])
why(missing, "SNAPSHOT_NOT_FOUND", bob.get_snapshot_block, SnapshotId=snapshot, BlockIndex=7, BlockToken=token, status=404)

# --- encrypted
secret = alice.start_snapshot(VolumeSize=1, Encrypted=True, Description="for me")
arn = secret["KmsKeyArn"]
assert arn.startswith(f"arn:aws:kms:us-east-1:{os.environ['alice']}:key/"), secret
assert alice.start_snapshot(VolumeSize=1, Encrypted=True, KmsKeyArn=arn)["KmsKeyArn"] == arn
for n in (5, 6):
    put(secret["SnapshotId"], n, some(n))
complete(secret["SnapshotId"], {5: some(5), 6: some(6)})
assert content(secret["SnapshotId"]) == {5: some(5), 6: some(6)}
heir = alice.start_snapshot(VolumeSize=1, ParentSnapshotId=secret["SnapshotId"])
assert heir["KmsKeyArn"] == arn and heir["ParentSnapshotId"] == secret["SnapshotId"], heir
put(heir["SnapshotId"], 6, some(7))
complete(heir["SnapshotId"], {6: some(7)})
assert content(heir["SnapshotId"]) == {5: some(5), 6: some(7)}
assert list(changes(secret["SnapshotId"], heir["SnapshotId"])) == [6]
why(wrong, "INVALID_PARAMETER_VALUE", alice.start_snapshot, VolumeSize=1, ParentSnapshotId=snapshot, Encrypted=True)
why(wrong, "INVALID_CUSTOMER_KEY", alice.start_snapshot, VolumeSize=1, ParentSnapshotId=heir["SnapshotId"], KmsKeyArn=arn)
why(wrong, "INVALID_CUSTOMER_KEY", alice.start_snapshot, VolumeSize=1, KmsKeyArn=arn)
why(wrong, "INVALID_CUSTOMER_KEY", alice.start_snapshot, VolumeSize=1, Encrypted=True, KmsKeyArn=arn[:-1] + "g")
gone = arn[:-12] + "0" * 12
why(wrong, "INVALID_CUSTOMER_KEY", alice.start_snapshot, VolumeSize=1, Encrypted=True, KmsKeyArn=gone)
why(wrong, "INVALID_CUSTOMER_KEY", client("ebs", "alice", region="eu-west-1").start_snapshot, VolumeSize=1, Encrypted=True,
    KmsKeyArn=arn)
why("AccessDeniedException", "DEPENDENCY_ACCESS_DENIED", bob.start_snapshot, VolumeSize=1, Encrypted=True, KmsKeyArn=arn,
    status=403)

# --- what StartSnapshot does not take
def start(**words):
    return loose.start_snapshot(**{"VolumeSize": 1, **words})


why(wrong, "INVALID_VOLUME_SIZE", start, VolumeSize=0)
why(wrong, "INVALID_VOLUME_SIZE", start, VolumeSize=65537)
why(wrong, "INVALID_VOLUME_SIZE", start, VolumeSize=2, ParentSnapshotId=snapshot)
why(wrong, "INVALID_PARAMETER_VALUE", start, Timeout=9)
why(wrong, "INVALID_PARAMETER_VALUE", start, Timeout=4321)
why(wrong, "INVALID_PARAMETER_VALUE", start, Description="ä" * 256)
why(wrong, "INVALID_PARAMETER_VALUE", start, ClientToken="a b")
why(wrong, "INVALID_TAG", start, Tags=[{"Key": "aws:x", "Value": ""}])
why(wrong, "INVALID_TAG", start, Tags=[{"Key": f"k{i}", "Value": ""} for i in range(51)])
why(wrong, "INVALID_SNAPSHOT_ID", start, ParentSnapshotId="snap-xyz")
why(missing, "SNAPSHOT_NOT_FOUND", start, ParentSnapshotId="snap-0123456789abcdef0", status=404)
start(Description="ä" * 255)


def raw(method, path, body=b"", **headers):
    status, answered, text = send(signed(method, path, "alice", service="ebs", body=body, headers=headers))
    return status, answered.get("x-amzn-ErrorType"), json.loads(text)


assert raw("POST", "/snapshots", b"{")[:2] == (400, "SerializationException")
assert raw("POST", "/snapshots", b"[]")[:2] == (400, "SerializationException")
assert raw("POST", "/snapshots", b'{"VolumeSize": 1.5}')[2]["Reason"] == "INVALID_VOLUME_SIZE"
assert raw("POST", "/snapshots", b'{"VolumeSize": 1, "Colour": "red"}')[2]["Reason"] == "INVALID_PARAMETER_VALUE"
assert raw("POST", "/snapshots", b'{"VolumeSize": 1, "VolumeSize": 2}')[:2] == (400, "SerializationException")
status, _, sent = raw("POST", "/snapshots", b'{"VolumeSize": 1}')
assert status == 201 and sent["Tags"] is None and sent["ParentSnapshotId"] is None, sent
for method, path in (("GET", "/snapshots"), ("DELETE", f"/snapshots/{snapshot}"), ("PUT", f"/snapshots/{snapshot}/blocks/x"),
                     ("GET", f"/snapshots/{snapshot}/blocks/-1"), ("GET", f"/snapshots/{snapshot}/blocks/99999999999"),
                     ("GET", f"/snapshots//blocks"), ("POST", "/snapshots/completion/a/b")):
    assert raw(method, path)[:2] == (404, "UnknownOperationException"), path
assert raw("GET", f"/snapshots/{snapshot}/blocks?colour=red")[2]["Reason"] == "INVALID_PARAMETER_VALUE"
assert raw("GET", f"/snapshots/{snapshot}/blocks/7")[2]["Reason"] == "INVALID_PARAMETER_VALUE"

# --- no more than EBS's quota are pending at a time
carol = client("ebs", "carol")
try:
    for _ in range(101):
        carol.start_snapshot(VolumeSize=1)
    raise AssertionError("101 pending snapshots")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ServiceQuotaExceededException", error.response
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 402, error.response
alice.start_snapshot(VolumeSize=1)

with open(f"{TMP}/kept.json", "w", encoding="ascii") as file:
    json.dump({"done": snapshot, "token": tokens[7], "pending": start()["SnapshotId"]}, file)
PYTHON
with_boto ebs.py

# --- the command line of AWS, which signs and sends in its own way
if [ -x /usr/bin/aws ]; then
    AWS_ACCESS_KEY_ID=$(jq -r .AccessKeyId alice.json) AWS_SECRET_ACCESS_KEY=$(jq -r .SecretAccessKey alice.json)
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
    ebs() { run /usr/bin/aws --endpoint-url "$endpoint" --region us-east-1 --output json ebs "$@"; }
    head -c 524288 disk.raw >block
    sum=$(openssl dgst -sha256 -binary block | base64)
    all=$(openssl dgst -sha256 -binary block | openssl dgst -sha256 -binary | base64)
    snap=$(ebs start-snapshot --volume-size 1 --tags Key=a,Value=b | jq -r .SnapshotId)
    ebs put-snapshot-block --snapshot-id "$snap" --block-index 5 --block-data block --data-length 524288 \
        --checksum "$sum" --checksum-algorithm SHA256 | jq -e ".Checksum == \"$sum\"" >/dev/null
    ebs complete-snapshot --snapshot-id "$snap" --changed-blocks-count 1 --checksum "$all" \
        --checksum-algorithm SHA256 --checksum-aggregation-method LINEAR >/dev/null
    token=$(ebs list-snapshot-blocks --snapshot-id "$snap" | jq -r '.Blocks[] | select(.BlockIndex == 5).BlockToken')
    ebs get-snapshot-block --snapshot-id "$snap" --block-index 5 --block-token "$token" got >/dev/null
    same block got
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
fi

# --- started anew: tokens are as good as before, and what was pending is gone, for gc too
stop_server
[ "$(stat -c %a store/token-secret)" = 600 ] || fail "others may read the secret of tokens"
serve
cat >after.py <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from endpoint import *

with open(f"{TMP}/kept.json", encoding="ascii") as file:
    kept = json.load(file)
alice = client("ebs", "alice")
assert alice.get_snapshot_block(SnapshotId=kept["done"], BlockIndex=7, BlockToken=kept["token"])["DataLength"] == 524288
refused("ResourceNotFoundException", alice.complete_snapshot, SnapshotId=kept["pending"], ChangedBlocksCount=0, status=404)
PYTHON
with_boto after.py
[ -z "$(ls store/uploads)" ] || fail "pins are left: $(ls store/uploads)"
stop_server
"$VMLIFT" store verify
