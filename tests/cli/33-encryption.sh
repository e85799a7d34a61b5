#!/usr/bin/env bash
# Encrypted snapshots: what the disk of the store holds of them, who reads them, what a lost or
# changed key means; and openssl, which decrypts a block by what the headers say.
. "$(dirname "$0")/../functions.sh"
requires python3 openssl zstd

export VMLIFT_STORE=$tmp/store AWS_REGION=us-east-1 VMLIFT_ACCOUNT=111111111111
unset VMLIFT_PASSPHRASE_FILE
other=222222222222

stat_of() {
    "$VMLIFT" store stats --json | sed -n -E "s/.*\"$1\": *([0-9]+).*/\1/p" | head -n 1
}
snapshot_of() {
    "$VMLIFT" image show "$1" --json | grep -oE 'snap-[0-9a-f]{17}' | head -n 1
}
# brings N COMMAND...: the command adds N blocks to the store.
brings() {
    local before want=$1
    before=$(stat_of blocks)
    shift
    "$@" >"$tmp/stdout"
    [ $(($(stat_of blocks) - before)) -eq "$want" ] ||
        fail "$(($(stat_of blocks) - before)) new blocks, not $want: $*"
}

# 6 blocks of noise, 6 of text, holes; the file's name is a secret, too.
truncate -s 40M hush-hush-7341.raw
dd if=/dev/urandom of=hush-hush-7341.raw bs=1M count=3 seek=3 conv=notrunc status=none
python3 - >text <<'END'
import sys
for i in range(6):
    sys.stdout.write((f"block {i}: the quick brown secret " * 20000)[:512 * 1024])
END
dd if=text of=hush-hush-7341.raw bs=1M seek=20 conv=notrunc status=none

# leaks STORE: which secrets stand in some file of a store, as text, digest, or digest in hex.
leaks() {
    cat >leaks.py <<'END'
import hashlib, os, subprocess, sys
disk, folder = sys.argv[1:]
secrets = {"the text": b"quick brown secret", "the name": b"hush-hush-7341"}
data = open(disk, "rb").read()
nodes = hashlib.sha256()
for off in range(0, len(data), 512 * 1024):
    block = data[off:off + 512 * 1024]
    if not any(block):
        continue
    digest = hashlib.sha256(block).digest()
    secrets[f"block {off}: digest"] = digest
    secrets[f"block {off}: hex"] = digest.hex().encode()
    secrets[f"block {off}: bytes"] = block[1000:1032]
tree = subprocess.run([os.environ["VMLIFT"], "hash", "--tree", "-f", "raw", disk], check=True,
                      capture_output=True).stdout.split()[0].decode()
secrets["the root's hex"] = tree.encode()
secrets["the root"] = bytes.fromhex(tree)
secrets["the whole disk's SHA-256"] = hashlib.sha256(data).digest()
files = [os.path.join(d, f) for d, _, fs in os.walk(folder) for f in fs]
everything = [open(f, "rb").read() for f in files]
for what, needle in secrets.items():
    if any(needle in e for e in everything):
        print(what)
END
    python3 leaks.py hush-hush-7341.raw "$1"
}

echo "--- what of an encrypted snapshot is on the disk; a plain one shows that it would be found"
key=$("$VMLIFT" key create --description "for the test")
[[ $key =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$ ]] || fail "key $key"
[ "$(stat -c %a "$VMLIFT_STORE/keys" "$VMLIFT_STORE/keys/$key.key" | paste -sd ' ')" = "700 600" ] ||
    fail "others can read keys"
brings 12 "$VMLIFT" import -f raw hush-hush-7341.raw --name first --encrypt --key "$key"

snap=$(snapshot_of first)
leaks "$VMLIFT_STORE" >found
[ ! -s found ] || fail "on the disk in the clear: $(paste -sd ';' found)"
VMLIFT_STORE=$tmp/plain run "$VMLIFT" import -f raw hush-hush-7341.raw --name plain
leaks "$tmp/plain" >found
[ "$(wc -l <found)" -ge 20 ] || fail "the search finds only $(wc -l <found) secrets of a plain store"
for what in "the name" "the root" "block 3145728: digest" "block 3145728: bytes"; do
    grep -qx "$what" found || fail "the search does not find $what in a plain store"
done

echo "--- it reads back, and says what it is encrypted with"
run "$VMLIFT" export first out.raw -O raw
same out.raw hush-hush-7341.raw
run "$VMLIFT" export "$snap" out.vmdk
run "$VMLIFT" compare -f raw hush-hush-7341.raw out.vmdk
"$VMLIFT" image show first | grep -q "$snap .* encrypted with $key" || fail "image show"
"$VMLIFT" image show first --json | grep -qF "\"KmsKeyId\": \"$key\"" || fail "image show --json"
"$VMLIFT" image show first --json | grep -qF '"Encrypted": true' || fail "image show --json"
"$VMLIFT" snapshot show "$snap" | grep -q "^key: *$key" || fail "snapshot show"
"$VMLIFT" snapshot show "$snap" | grep -q "^description: .*hush-hush-7341.raw" || fail "description"
"$VMLIFT" snapshot list | grep -q "$snap .*hush-hush-7341.raw" || fail "snapshot list"
run "$VMLIFT" store verify

echo "--- blocks are shared under one key, and not with any other or none"
brings 0 "$VMLIFT" import -f raw hush-hush-7341.raw --name second --encrypt --key "$key"
key2=$("$VMLIFT" key create)
brings 12 "$VMLIFT" import -f raw hush-hush-7341.raw --name third --encrypt --key "$key2"
brings 12 "$VMLIFT" import -f raw hush-hush-7341.raw --name in-the-clear
"$VMLIFT" image show in-the-clear --json | grep -qF '"Encrypted": false' || fail "not encrypted"

echo "--- the default key"
expect 2 usage/key "$VMLIFT" import -f raw hush-hush-7341.raw --name xyz --key "$key"
expect 2 usage/key "$VMLIFT" import -f raw hush-hush-7341.raw --name xyz --encrypt --key alias/x
expect 6 key/missing "$VMLIFT" import -f raw hush-hush-7341.raw --name xyz --encrypt \
    --key 00000000-0000-4000-8000-000000000000
brings 12 "$VMLIFT" import -f raw hush-hush-7341.raw --name default --encrypt 2>stderr
grep -qF "[key/made]" stderr || fail "no word of the key that was made"
brings 0 "$VMLIFT" import -f raw hush-hush-7341.raw --name default2 --encrypt 2>stderr
! grep -qF "[key/made]" stderr || fail "the default key was made twice"
default=$("$VMLIFT" key list | awk '$3 == "default" { print $1 }')
expect 5 key/default "$VMLIFT" key grant "$default" --to $other
expect 6 key/missing "$VMLIFT" import --region eu-west-1 -f raw hush-hush-7341.raw --name xyz --encrypt \
    --key "$key"

echo "--- other accounts: denied, granted, revoked"
theirs() {
    VMLIFT_ACCOUNT=$other "$@"
}
expect 5 key/denied theirs "$VMLIFT" import -f raw hush-hush-7341.raw --name theirs --encrypt \
    --key "$key"
expect 5 key/denied theirs "$VMLIFT" key show "$key"
run "$VMLIFT" key grant "$key" --to $other
"$VMLIFT" key show "$key" | grep -q "granted to: *$other" || fail "key show"
theirs "$VMLIFT" key list | grep -q "^$key *111111111111" || fail "their key list"
expect 5 key/denied theirs "$VMLIFT" key rotate "$key"
expect 5 key/denied theirs "$VMLIFT" key grant "$key" --to 333333333333
brings 0 theirs "$VMLIFT" import -f raw hush-hush-7341.raw --name theirs --encrypt --key "$key"
theirs run "$VMLIFT" export theirs out.raw -O raw --force
same out.raw hush-hush-7341.raw
run "$VMLIFT" key revoke "$key" --from $other
expect 5 key/denied theirs "$VMLIFT" export theirs out2.raw -O raw
[ ! -e out2.raw ] || fail "something was exported"
theirs "$VMLIFT" snapshot list >snapshots
grep -q "(encrypted)" snapshots || fail "they read the description"
expect 2 key/account "$VMLIFT" key grant "$key" --to 12
expect 2 usage/key "$VMLIFT" key revoke "$key"

echo "--- rotated: what was stored stays readable, what is new takes a new data key"
cp "$VMLIFT_STORE/keys/$key.key" before-rotation
run "$VMLIFT" key rotate "$key"
"$VMLIFT" key show "$key" | grep -q "^versions: *2" || fail "key show"
run "$VMLIFT" export first out.raw -O raw --force
same out.raw hush-hush-7341.raw
cp hush-hush-7341.raw next.raw
dd if=/dev/urandom of=next.raw bs=1M count=1 seek=3 conv=notrunc status=none
brings 2 "$VMLIFT" import -f raw next.raw --name next --encrypt --key "$key"
run "$VMLIFT" export next out.raw -O raw --force
same out.raw next.raw
run "$VMLIFT" store verify
cp "$VMLIFT_STORE/keys/$key.key" after-rotation
cp before-rotation "$VMLIFT_STORE/keys/$key.key"
run "$VMLIFT" export first out.raw -O raw --force
expect 5 key/rotated "$VMLIFT" export next out3.raw -O raw
cp after-rotation "$VMLIFT_STORE/keys/$key.key"

echo "--- openssl decrypts a block by what the headers say"
cat >decrypt.py <<'END'
import glob, hmac, hashlib, struct, subprocess, sys
store, key_id, disk = sys.argv[1:]

def gcm_open(key, nonce, sealed):
    # AES-GCM encrypts in counter mode, from 2 on; openssl enc knows only the latter
    return subprocess.run(["openssl", "enc", "-d", "-aes-256-ctr", "-K", key.hex(), "-iv",
                           nonce.hex() + "00000002"], input=sealed, check=True,
                          capture_output=True).stdout

key = open(f"{store}/keys/{key_id}.key", "rb").read()
assert key[:8] == b"VMLKEY1\0" and hashlib.sha256(key[:-32]).digest() == key[-32:]
raw_id = key[16:32]
assert raw_id.hex() == key_id.replace("-", "")
n = struct.unpack("<I", key[140:144])[0]
wrapping = key[164:196]
unwrap = lambda at: gcm_open(wrapping, key[at:at + 12], key[at + 12:at + 44])
address_key = unwrap(212)
data_keys = [unwrap(272 + 60 * i) for i in range(n)]
blocks = {}
data = open(disk, "rb").read()
for off in range(0, len(data), 512 * 1024):
    block = data[off:off + 512 * 1024]
    if any(block):
        digest = hashlib.sha256(block).digest()
        blocks[hmac.new(address_key, digest, hashlib.sha256).digest()] = block
found = set()
versions = set()
for path in glob.glob(f"{store}/packs/*/*.pack"):
    pack = open(path, "rb").read()
    at = 64
    while pack[at:at + 4] == b"VMLF":
        kind, codec, raw, stored = struct.unpack("<BBxxII", pack[at + 4:at + 16])
        address, payload = pack[at + 16:at + 48], pack[at + 64:at + 64 + stored]
        at += 64 + stored
        if address not in blocks:
            continue
        assert codec & 2 and payload[:16] == raw_id
        version = struct.unpack("<I", payload[16:20])[0]
        plain = gcm_open(data_keys[version - 1], payload[20:32], payload[48:])
        if codec & 1:
            plain = subprocess.run(["zstd", "-dc"], input=plain, check=True,
                                   capture_output=True).stdout
        assert plain == blocks[address], "another block"
        found.add(address)
        versions.add(version)
assert found == set(blocks), f"{len(found)} of {len(blocks)} blocks"
print(*sorted(versions))
END
[ "$(python3 decrypt.py "$VMLIFT_STORE" "$key" hush-hush-7341.raw)" = 1 ] || fail "decrypt: first"
[ "$(python3 decrypt.py "$VMLIFT_STORE" "$key" next.raw)" = "1 2" ] || fail "decrypt: next"

echo "--- a passphrase"
echo "correct horse" >right
echo "battery staple" >wrong
: >empty
guarded=$("$VMLIFT" key create --passphrase-file right)
expect 5 key/passphrase setsid -w "$VMLIFT" import -f raw hush-hush-7341.raw --name guarded --encrypt \
    --key "$guarded"
expect 5 key/passphrase "$VMLIFT" import -f raw hush-hush-7341.raw --name guarded --encrypt \
    --key "$guarded" --passphrase-file wrong
expect 2 usage/passphrase "$VMLIFT" import -f raw hush-hush-7341.raw --name guarded --encrypt \
    --key "$guarded" --passphrase-file empty
brings 12 "$VMLIFT" import -f raw hush-hush-7341.raw --name guarded --encrypt --key "$guarded" \
    --passphrase-file right
VMLIFT_PASSPHRASE_FILE=right run "$VMLIFT" export guarded out.raw -O raw --force
same out.raw hush-hush-7341.raw
expect 5 key/passphrase setsid -w "$VMLIFT" export guarded out3.raw -O raw
expect 5 key/passphrase "$VMLIFT" export guarded out3.raw -O raw --passphrase-file wrong
! grep -qE "battery|horse" stderr stdout || fail "a passphrase was printed"
VMLIFT_PASSPHRASE_FILE=right run "$VMLIFT" key rotate "$guarded" --new-passphrase-file wrong
expect 5 key/passphrase "$VMLIFT" export guarded out3.raw -O raw --passphrase-file right
run "$VMLIFT" export guarded out.raw -O raw --force --passphrase-file wrong
same out.raw hush-hush-7341.raw
! grep -raqE "correct horse|battery staple" "$VMLIFT_STORE" || fail "a passphrase is on the disk"
# typed on a terminal, which shows nothing of it
cat >typed.py <<'END'
import os, pty, sys
answers = [a.encode() + b"\n" for a in sys.argv[1].split(",")]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b""
while True:
    try:
        got = os.read(fd, 1000)
    except OSError:
        break
    seen += got
    if answers and seen.endswith(b": "):
        os.write(fd, answers.pop(0))
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
run python3 typed.py "open sesame,open sesame" "$VMLIFT" key create --passphrase >typed
! grep -q sesame typed || fail "the terminal showed the passphrase"
typed=$(tail -n 1 typed | tr -d '\r')
[ "$("$VMLIFT" key list | awk -v k="$typed" '$1 == k { print $4 }')" = passphrase ] || fail "no passphrase"
expect 2 "" python3 typed.py "open sesame,open says me" "$VMLIFT" key create --passphrase
run python3 typed.py "battery staple" "$VMLIFT" export guarded out.raw -O raw --force >typed
! grep -q staple typed || fail "the terminal showed the passphrase"
same out.raw hush-hush-7341.raw

echo "--- a lost key: nothing can be read, all else goes on, and its file brings it back"
mv "$VMLIFT_STORE/keys" "$tmp/kept-keys"
expect 6 key/missing "$VMLIFT" export first out3.raw -O raw
[ ! -e out3.raw ] || fail "something was exported"
grep -qF "$snap" stderr || fail "the snapshot is not named"
"$VMLIFT" snapshot show "$snap" | grep -q "(encrypted)" || fail "snapshot show"
run "$VMLIFT" store gc
run "$VMLIFT" store verify >verified || fail "verify: $(cat verified)"
grep -qE "^8 encrypted snapshots? .*ciphertext" verified || fail "verify says nothing: $(cat verified)"
run "$VMLIFT" export in-the-clear out.raw -O raw --force
same out.raw hush-hush-7341.raw
mv "$tmp/kept-keys" "$VMLIFT_STORE/keys"
run "$VMLIFT" export first out.raw -O raw --force
same out.raw hush-hush-7341.raw
run "$VMLIFT" store verify >verified || fail "verify: $(cat verified)"
grep -qE "^1 encrypted snapshot .*ciphertext" verified || fail "the guarded one: $(cat verified)"
run "$VMLIFT" store verify --passphrase-file wrong >verified
! grep -q ciphertext verified || fail "with its passphrase: $(cat verified)"

echo "--- damage: of a key, of a block"
cp "$VMLIFT_STORE/keys/$key2.key" whole
printf X | dd of="$VMLIFT_STORE/keys/$key2.key" bs=1 seek=170 conv=notrunc status=none
expect 3 key/damaged "$VMLIFT" export third out3.raw -O raw
expect 1 "" "$VMLIFT" store verify
grep -qF "[key/damaged]" stdout || fail "verify does not see it"
expect 3 key/damaged "$VMLIFT" key list
grep -q "^$key" stdout || fail "the other keys are not listed"
cp whole "$VMLIFT_STORE/keys/$key2.key"
run "$VMLIFT" store verify
pack=$(grep -rlaF "$(printf '%s' "VMLPACK1")" "$VMLIFT_STORE/packs" | xargs ls -S | head -n 1)
cp "$pack" whole
printf XXXX | dd of="$pack" bs=1 seek=1000000 conv=notrunc status=none
expect 1 "" "$VMLIFT" store verify
cp whole "$pack"
run "$VMLIFT" store verify

echo "--- gc takes what only deleted snapshots used, with no key at all"
blocks=$(stat_of blocks)
third=$(snapshot_of third)
run "$VMLIFT" image deregister third
expect 5 key/in-use "$VMLIFT" key delete "$key2"
run "$VMLIFT" snapshot delete "$third"
mv "$VMLIFT_STORE/keys" "$tmp/kept-keys"
run "$VMLIFT" store gc
mv "$tmp/kept-keys" "$VMLIFT_STORE/keys"
[ $((blocks - $(stat_of blocks))) -eq 12 ] || fail "gc freed $((blocks - $(stat_of blocks))) blocks"
expect 5 key/denied theirs "$VMLIFT" key delete "$key2"
run "$VMLIFT" key delete "$key2"
expect 6 key/missing "$VMLIFT" key show "$key2"
run "$VMLIFT" export first out.raw -O raw --force
same out.raw hush-hush-7341.raw
run "$VMLIFT" store verify

echo "--- what was left half written of a key goes: it holds secrets"
left=$VMLIFT_STORE/keys/.$key.key.0123abcd.part
cp "$VMLIFT_STORE/keys/$key.key" "$left"
touch "$VMLIFT_STORE/keys/.foreign.part"
run "$VMLIFT" store gc
[ ! -e "$left" ] || fail "gc leaves it"
cp "$VMLIFT_STORE/keys/$key.key" "$left"
run "$VMLIFT" key revoke "$key" --from $other
[ ! -e "$left" ] || fail "the next change of a key leaves it"
rm "$VMLIFT_STORE/keys/.foreign.part" # what is not a key's stays
"$VMLIFT" image show first | grep -q "$snap .* encrypted with $key" || fail "the key is gone"

echo "--- a lost catalog: the packs bring it back, with no key"
mv "$VMLIFT_STORE/keys" "$tmp/kept-keys"
rm "$VMLIFT_STORE"/catalog.db*
run "$VMLIFT" store rebuild
mv "$tmp/kept-keys" "$VMLIFT_STORE/keys"
"$VMLIFT" image show first | grep -q "$snap .* encrypted with $key" || fail "image show"
"$VMLIFT" snapshot show "$snap" | grep -q "^description: .*hush-hush-7341.raw" || fail "description"
run "$VMLIFT" export first out.raw -O raw --force
same out.raw hush-hush-7341.raw
run "$VMLIFT" store verify
