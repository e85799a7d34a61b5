#!/usr/bin/env bash
# Certificates of packages, made and signed by openssl.
. "$(dirname "$0")/../functions.sh"
requires tar sha256sum qemu-img openssl jq

truncate -s 2M disk.raw
head -c 300000 /dev/urandom | dd of=disk.raw conv=notrunc status=none
mkdir vm
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw vm/disk.vmdk
cat >vm/vm.ovf <<'OVF'
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="f" ovf:href="disk.vmdk"/></References>
  <DiskSection><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="2097152"/></DiskSection>
  <VirtualSystem ovf:id="vm"><VirtualHardwareSection/></VirtualSystem>
</Envelope>
OVF
(cd vm && sha256sum vm.ovf disk.vmdk | sed 's/^\([0-9a-f]*\)  \(.*\)$/SHA256(\2)= \1/' >vm.mf)

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj '/O=Authority/CN=Root' 2>/dev/null
# issue NAME SUBJECT FROM TO: by the authority
issue() {
    mkdir -p ca
    : >ca/index.txt
    openssl req -newkey "${kind:-rsa:2048}" ${curve:+-pkeyopt "$curve"} -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" -utf8 2>/dev/null
    cat >ca.cnf <<CNF
[ca]
default_ca = one
[one]
database = ca/index.txt
new_certs_dir = ca
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
CNF
    openssl ca -config ca.cnf -batch -notext -cert ca.pem -keyfile ca.key -in "$1.csr" -out "$1.pem" \
        -startdate "$3" -enddate "$4" 2>ca.log || fail "openssl ca: $(cat ca.log)"
}
issue good '/CN=Acme Ltd.' 20200101000000Z 20990101000000Z
issue expired '/CN=Acme Ltd.' 20200101000000Z 20210101000000Z
issue future '/CN=Acme Ltd.' 20980101000000Z 20990101000000Z
issue odd $'/CN=A\e[31mc\u202eme' 20200101000000Z 20990101000000Z
kind=ec curve=ec_paramgen_curve:P-256 issue curve '/CN=Curve' 20200101000000Z 20990101000000Z

# sign NAME [ALGORITHM [FILE]]: vm.cert with this certificate
sign() {
    local algorithm=${2:-SHA256} file=${3:-vm.mf}
    {
        printf '%s(%s)= ' "$algorithm" "$file"
        openssl dgst "-${algorithm,,}" -sign "$1.key" vm/vm.mf | od -An -v -tx1 | tr -d ' \n'
        echo
        cat "$1.pem"
    } >vm/vm.cert
    pack
}
pack() { tar -cf in.ova -C vm vm.ovf vm.mf vm.cert disk.vmdk; }

# notes SLUG...: exactly these of certificates, of the tar and of the folder, by info and after a conversion
notes() {
    printf '%s\n' "$@" | sort >want
    for src in in.ova vm; do
        "$VMLIFT" info --json $src | jq -r '.notes[].slug' | grep '^cert' | sort >got || true
        same want got
        run "$VMLIFT" convert --force $src got.raw 2>stderr
        same disk.raw got.raw
        sed -n 's/.*\[\(cert.*\)\]$/\1/p' stderr | sort >got
        same want got
    done
    run "$VMLIFT" convert --force -O raw - got.raw < <(cat in.ova) 2>stderr
    same disk.raw got.raw
    sed -n 's/.*\[\(cert.*\)\]$/\1/p' stderr | sort >got
    same want got
}
# checked STATUS LEVEL SLUG
checked() {
    for src in in.ova vm; do
        expect "$1" '' "$VMLIFT" check $src
        grep -q ": $2: .*\[$3\]" stdout || fail "check: no $2 [$3] in $(cat stdout)"
    done
}

for algorithm in SHA1 SHA256 SHA512; do
    sign good $algorithm
    notes cert/issuer cert/signed
    "$VMLIFT" info in.ova | grep -q "is signed ($algorithm.*by 'CN=Acme Ltd.'.*not checked with any authority" ||
        fail "$("$VMLIFT" info in.ova)"
    checked 0 note cert/signed
done
"$VMLIFT" info in.ova | grep -q "issued by 'CN=Root,O=Authority', which is not checked" || fail "issuer"
sign curve
notes cert/issuer cert/signed
sign ca
notes cert/self-signed cert/signed
checked 0 note cert/self-signed
sign expired
notes cert/expired cert/issuer cert/signed
checked 0 warning cert/expired
sign future
notes cert/issuer cert/not-yet cert/signed
checked 0 warning cert/not-yet
sign odd
notes cert/issuer cert/signed
"$VMLIFT" info in.ova >got
! LC_ALL=C grep -q '[^ -~]' got || fail "shown as it is: $(od -c got)"
# the certificate may be the last of all, and in front of the manifest
sign good
for order in 'vm.ovf vm.mf disk.vmdk vm.cert' 'vm.ovf vm.cert vm.mf disk.vmdk' 'vm.ovf disk.vmdk vm.cert vm.mf'; do
    # shellcheck disable=SC2086
    tar -cf in.ova -C vm $order
    notes cert/issuer cert/signed
done

# --- wrong -----------------------------------------------------------------------------------------

# refused SLUG
refused() {
    for src in in.ova vm; do
        expect 3 "$1" "$VMLIFT" convert $src out.raw
        expect 3 "$1" "$VMLIFT" import --store store --name signed $src
        expect 3 "$1" "$VMLIFT" info $src
        checked 1 fault "$1"
    done
    expect 3 "$1" "$VMLIFT" convert -O raw - out.raw < <(cat in.ova)
    expect 3 "$1" "$VMLIFT" import --store store --name signed - < <(cat in.ova)
    [ ! -e out.raw ] || fail "out.raw is there"
}
sed -i '1s/= ..../= 0000/' vm/vm.cert
pack
refused ova/cert-signature
{ head -n 1 vm/vm.cert && cat curve.pem; } >other.cert
sign good
{ head -n 1 vm/vm.cert && cat expired.pem; } >other.cert
mv other.cert vm/vm.cert
pack
refused ova/cert-signature
sign good
cp vm/vm.mf keep.mf
echo >>vm/vm.mf
pack
refused ova/cert-signature
tar -cf in.ova -C vm vm.ovf disk.vmdk vm.cert vm.mf
refused ova/cert-signature
rm vm/vm.mf
tar -cf in.ova -C vm vm.ovf vm.cert disk.vmdk
refused ova/cert-manifest
mv keep.mf vm/vm.mf

# --- not to be verified ----------------------------------------------------------------------------

sign good SHA256 other.mf
notes cert/syntax
checked 1 fault cert/syntax
sign good
sed -i '/BEGIN/,$d' vm/vm.cert
pack
notes cert/syntax
sign good
sed -i '3,5s/^..../AAAA/' vm/vm.cert
pack
notes cert/syntax
: >vm/vm.cert
pack
notes cert/syntax
head -c 5000 /dev/urandom >vm/vm.cert
pack
notes cert/syntax
sign good
# a PEM that is encrypted does not make the program ask for a password
{
    head -n 1 vm/vm.cert
    printf '%s\n' '-----BEGIN CERTIFICATE-----' 'Proc-Type: 4,ENCRYPTED' \
        'DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F' '' AAAAAAAAAAAAAAAAAAAAAA== '-----END CERTIFICATE-----'
} >ask.cert
mv ask.cert vm/vm.cert
pack
notes cert/syntax
# a key that signs no digests
openssl genpkey -algorithm ed25519 -out ed.key 2>/dev/null
openssl req -x509 -key ed.key -out ed.pem -days 30 -subj /CN=Ed 2>/dev/null
{ echo "SHA256(vm.mf)= 00ff" && cat ed.pem; } >vm/vm.cert
pack
notes cert/unverified
checked 0 warning cert/unverified
