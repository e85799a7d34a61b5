#!/usr/bin/env bash
# The endpoint: access keys, who is let in, what there is a limit to, and how it ends.  The clients are
# boto3's and curl.
. "$(dirname "$0")/../functions.sh"
requires python3 curl openssl jq xmllint
"$VMLIFT" serve --help >/dev/null || exit 77 # built without

# --- access keys
run "$VMLIFT" serve key add --store store --account 111122223333 --json >alice.json
[ "$(stat -c %a store/access-keys)" = 600 ] || fail "others may read the access keys"
id=$(jq -r .AccessKeyId alice.json) secret=$(jq -r .SecretAccessKey alice.json)
[[ $id =~ ^AKIA[A-Z2-7]{16}$ ]] || fail "an ID like $id"
[ ${#secret} -eq 40 ] || fail "a secret of ${#secret} characters"
"$VMLIFT" serve key add --store store --account 444455556666 >bob.txt
[ "$(wc -l <bob.txt)" -eq 2 ] || fail "not an ID and a secret: $(cat bob.txt)"
"$VMLIFT" serve key list --store store >list.txt
grep -q "^$id *111122223333" list.txt || fail "no $id in the list"
! grep -qF "$secret" list.txt || fail "the list tells a secret"
"$VMLIFT" serve key list --store store --json | jq -e '.AccessKeys | length == 2' >/dev/null
expect 6 serve/key-missing "$VMLIFT" serve key remove --store store AKIANONE
expect 2 usage/account "$VMLIFT" serve key add --store store --account 1
cp -p store/access-keys keys.save
chmod 640 store/access-keys
expect 5 serve/key-mode "$VMLIFT" serve key list --store store
echo '{"version": 2}' >store/access-keys
chmod 600 store/access-keys
expect 3 serve/key-damaged "$VMLIFT" serve key list --store store
cp -p keys.save store/access-keys
for i in 1 2 3 4 5 6 7 8; do
    "$VMLIFT" serve key add --store store >"many.$i" &
done
wait
[ "$("$VMLIFT" serve key list --store store --json | jq '.AccessKeys | length')" -eq 10 ] ||
    fail "keys that were made at the same time are lost"
# A key that nobody got to see is none.
! "$VMLIFT" serve key add --store store >/dev/full 2>/dev/null || fail "a secret went nowhere"
[ "$("$VMLIFT" serve key list --store store --json | jq '.AccessKeys | length')" -eq 10 ] ||
    fail "a key is there whose secret nobody knows"

# --- where it listens
expect 2 serve/listen "$VMLIFT" serve --store store --listen 8250
expect 2 serve/listen "$VMLIFT" serve --store store --listen 127.0.0.1:99999
expect 5 serve/plain "$VMLIFT" serve --store store --listen 0.0.0.0:0
expect 2 usage/tls "$VMLIFT" serve --store store --tls-key x.pem
serve
expect 7 serve/bind "$VMLIFT" serve --store store --listen "${endpoint#http://}"

# --- who is let in
cat >who.py <<'PYTHON'
import datetime
import sys

sys.path.insert(0, sys.argv[1])
from endpoint import *
from botocore.auth import SigV4QueryAuth

ec2, ebs = client("ec2", "alice"), client("ebs", "alice")
regions = ec2.describe_regions()["Regions"]
assert {"us-east-1", "eu-west-1"} < {r["RegionName"] for r in regions}, regions
one = ec2.describe_regions(RegionNames=["eu-west-1"], Filters=[{"Name": "region-name", "Values": ["eu-*"]}])
assert [r["RegionName"] for r in one["Regions"]] == ["eu-west-1"], one

def wrong(service, **other):
    other = client(service, "alice", **other)
    return other.describe_regions if service == "ec2" else lambda: other.get_snapshot_block(
        SnapshotId="snap-0123456789abcdef0", BlockIndex=0, BlockToken="aa")

secret = {"aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
unknown = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}
refused("SignatureDoesNotMatch", wrong("ec2", **secret), status=403)
refused("AuthFailure", wrong("ec2", **unknown), status=401)
refused("InvalidClientTokenId", wrong("ec2", aws_session_token="token"), status=403)
refused("AuthFailure", wrong("ec2", region="mars"), status=401, text="valid region")
refused("InvalidSignatureException", wrong("ebs", **secret), status=403)
refused("UnrecognizedClientException", wrong("ebs", **unknown), status=403)

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
REGIONS = b"Action=DescribeRegions&Version=2016-11-15"

def ask(expected, status, change=lambda r: None, body=REGIONS, method="POST", path="/", **more):
    request = signed(method, path, "alice", body=body, headers=dict(FORM), **more)
    change(request)
    got, _, text = send(request)
    assert got == status and expected in text, f"{got}, not {status}: {text}"

ask("<DescribeRegionsResponse ", 200)

def body_of_another(r):
    r.body = r.body.replace(b"Regions", b"Imagess")
def query_of_another(r):
    r.url += "?RegionName.1=us-east-1"
def method_of_another(r):
    r.method = "GET"
def without(name):
    def change(r):
        del r.headers[name]
    return change
def extra(name, value):
    def change(r):
        r.headers[name] = value
    return change
def edit(old, new):
    def change(r):
        text = r.headers["Authorization"]
        text = text.decode() if isinstance(text, bytes) else text
        assert old in text, text
        r.headers["Authorization"] = text.replace(old, new)
    return change

ask("SignatureDoesNotMatch", 403, body_of_another)
ask("SignatureDoesNotMatch", 403, query_of_another)
ask("SignatureDoesNotMatch", 403, extra("x-amz-meta-more", "not signed"))
ask("SignatureDoesNotMatch", 403, extra("Host", "example.org"))
ask("SignatureDoesNotMatch", 403, edit("us-east-1", "eu-west-1"))
ask("SignatureDoesNotMatch", 403, edit("host;", ""))
ask("SignatureDoesNotMatch", 403, edit("Signature=", "Signature=0"))
ask("SignatureDoesNotMatch", 403, service="s3")
ask("SignatureDoesNotMatch", 403, extra("x-amz-content-sha256", "UNSIGNED-PAYLOAD"))
ask("IncompleteSignature", 400, edit("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"))
ask("IncompleteSignature", 400, edit("/aws4_request", ""))
ask("IncompleteSignature", 400, edit("SignedHeaders=", "Headers="))
ask("IncompleteSignature", 400, without("X-Amz-Date"))
ask("MissingAuthenticationToken", 403, without("Authorization"))
# The query of the signature: in whatever order, encoded however.
ask("InvalidAction", 400, body=b"", method="GET", path="/?Version=2016-11-15&Action=Nothing%20at%2Ball")
ask("<regionName>us-east-1<", 200, body=b"", method="GET",
    path="/?Version=2016-11-15&RegionName.1=us-east-1&Action=DescribeRegions")

# Presigned.
def presigned(expires=60, **more):
    return ask_url(signed("GET", "/?Action=DescribeRegions&Version=2016-11-15", "alice", signer=SigV4QueryAuth,
                          expires=expires, **more))
def ask_url(request, change=lambda url: url):
    request.url = change(request.url)
    status, _, text = send(request)
    return status, text
status, text = presigned()
assert status == 200 and "<regionName>" in text, text
status, text = presigned(expires=8 * 24 * 3600)
assert status == 400 and "IncompleteSignature" in text, text
status, text = ask_url(signed("GET", "/?Action=DescribeRegions&Version=2016-11-15", "alice", signer=SigV4QueryAuth,
                              expires=60), lambda url: url.replace("Expires=60", "Expires=61"))
assert status == 403 and "SignatureDoesNotMatch" in text, text

# Clocks: 15 minutes either way.
class Clock(SigV4Auth):
    minutes = 0

    def add_auth(self, request):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=self.minutes)
        request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))

for Clock.minutes in (-14, 14, -16, 16, -60 * 24 * 365, 60 * 24 * 365):
    late = abs(Clock.minutes) > 15
    ask("RequestExpired" if late else "<regionInfo>", 400 if late else 200, signer=Clock)

# Signatures of any form: refused, but for what says the same (a comma more), and the server goes on.
import random
noise, good = random.Random(1), 0
for _ in range(300):
    request = signed("POST", "/", "alice", body=REGIONS, headers=dict(FORM))
    text = request.headers["Authorization"]
    text = list(text.decode() if isinstance(text, bytes) else text)
    for _ in range(noise.randrange(1, 6)):
        at = noise.randrange(len(text))
        text[at:at + noise.randrange(0, 8)] = noise.choice(["", "/", "=", ",", ";", " ", "%", "A" * 99, "Signature="])
    request.headers["Authorization"] = "".join(text)
    status, _, answer = send(request)
    assert status in (200, 400, 401, 403), (status, request.headers["Authorization"], answer)
    good += status == 200
assert good < 30, good

# Questions that are none.
ask("MissingAction", 400, body=b"Version=2016-11-15")
ask("NoSuchVersion", 400, body=b"Action=DescribeRegions&Version=2006-01-01")
ask("NoSuchVersion", 400, body=b"Action=DescribeRegions")
ask("InvalidAction", 400, body=b"Action=RunInstances&Version=2016-11-15")
ask("UnknownParameter", 400, body=REGIONS + b"&Colour=red")
ask("UnknownParameter", 400, body=REGIONS + b"&RegionName.0=us-east-1")
ask("MalformedQueryString", 400, body=REGIONS + b"&RegionName.1=%zz")
ask("MalformedQueryString", 400, body=REGIONS + b"&RegionName.1=%00")
ask("MalformedQueryString", 400, body=REGIONS + b"&RegionName.1=%ff")
ask("MalformedQueryString", 400, body=REGIONS + b"&RegionName.1=a&RegionName.1=b")
ask("InvalidParameterValue", 400, body=REGIONS + b"&AllRegions=maybe")
ask("InvalidParameterValue", 400, body=REGIONS + b"&RegionName.1=%3Cb%3E%26%22%01")
ask("MissingParameter", 400, body=REGIONS + b"&Filter.1.Name=region-name")
ask("MissingParameter", 400, body=REGIONS + b"&Filter.1.Value.1=x")
ask("DryRunOperation", 412, body=REGIONS + b"&DryRun=true")
ask("InvalidRequest", 400, path="/elsewhere")
ask("InvalidRequest", 400, method="PUT")
PYTHON
with_boto who.py

# A key that is taken away is of no use from then on, and one that is new at once.
"$VMLIFT" serve key add --store store --json >carol.json
cat >one.py <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from endpoint import *

if sys.argv[3:]:
    refused(sys.argv[3], client("ec2", sys.argv[2]).describe_regions)
else:
    client("ec2", sys.argv[2], verify=False).describe_regions()
PYTHON
with_boto one.py carol
"$VMLIFT" serve key remove --store store "$(jq -r .AccessKeyId carol.json)"
with_boto one.py carol AuthFailure
# What is wrong with the file of the keys is for the log, not for clients.
chmod 640 store/access-keys
with_boto one.py alice InternalError
chmod 600 store/access-keys
with_boto one.py alice
grep -q 'InternalError: .*store/access-keys: mode 0640' server.log || fail "the log says nothing of it"
! grep -qF "$secret" server.log || fail "the log tells a secret"

# --- limits
head -c 1048577 /dev/zero >large
[ "$(curl -s -o large.xml -w '%{http_code}' --data-binary @large "$endpoint/")" = 413 ] ||
    fail "a body that is too large is taken"
grep -q RequestEntityTooLarge large.xml
# Without a length, too: the connection is closed.
! curl -s -o chunked.xml -H 'Transfer-Encoding: chunked' --data-binary @large "$endpoint/" ||
    fail "a body of any length is taken in chunks"
curl -s "$endpoint/" | xmllint --xpath 'string(//Error/Code)' - | grep -qx MissingAuthenticationToken
[ "$(curl -s -D headers.txt "$endpoint/snapshots/snap-1/blocks" | jq -r .Message | wc -l)" = 1 ]
grep -qi '^x-amzn-ErrorType: MissingAuthenticationTokenException' headers.txt

# --- the end: what is under way is answered, nothing new is begun
stop_server
serve --serve-region eu-west-1
with_boto one.py alice AuthFailure
stop_server

# --- TLS
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.crt 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out other.key 2>/dev/null
expect 5 serve/tls "$VMLIFT" serve --store store --listen 127.0.0.1:0 --tls-certificate tls.crt --tls-key other.key
expect 3 serve/tls "$VMLIFT" serve --store store --tls-certificate store/format --tls-key tls.key
serve --tls-certificate tls.crt --tls-key tls.key
[[ $endpoint == https://* ]] || fail "TLS at $endpoint"
curl -s --cacert tls.crt "$endpoint/" | grep -q MissingAuthenticationToken || fail "no answer by TLS"
AWS_CA_BUNDLE=tls.crt with_boto one.py alice 2>/dev/null
stop_server
