#!/usr/bin/env bash
# Packages that are wrong on purpose: each gets the name of its fault, from a file and from a pipe, in a
# second of the processor's time and 64 MiB, and nothing is left.
. "$(dirname "$0")/../functions.sh"
requires python3 qemu-img

truncate -s 1M disk.raw
head -c 100000 /dev/urandom | dd of=disk.raw conv=notrunc status=none
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw disk.vmdk

cat >cases.py <<'PY'
import gzip, hashlib, io, os, resource, subprocess, sys, tarfile, time

vmlift = os.environ['VMLIFT']
disk = open('disk.vmdk', 'rb').read()
OVF = '''<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:id="f" ovf:href="{href}" {file}/></References>
<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="{capacity}" {disk}/></DiskSection>{more}
<VirtualSystem ovf:id="vm"><Name>{name}</Name>{system}<VirtualHardwareSection/></VirtualSystem>{end}
</Envelope>
'''


def ovf(**words):
    all = dict(href='disk.vmdk', file='', capacity='1048576', disk='', more='', name='vm', system='', end='')
    all.update(words)
    return OVF.format(**all).encode()


def tar(members, tail=b'', format=tarfile.GNU_FORMAT, prepare=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=format) as t:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if prepare:
                prepare(info)
            t.addfile(info, io.BytesIO(data if info.isreg() else b''))
    return out.getvalue() + tail


def package(text, *more, **how):
    return tar([('vm.ovf', text), *more, ('disk.vmdk', disk)], **how)


def kind(type, **fields):
    def prepare(info):
        if info.name == 'disk.vmdk':
            info.type = type
            info.size = 0
            for key, value in fields.items():
                setattr(info, key, value)
    return prepare


def sums(*files, algorithm='sha256'):
    return ''.join('%s(%s)= %s\n' % (algorithm.upper(), n, hashlib.new(algorithm, d).hexdigest())
                   for n, d in files)


good = ovf()
line = sums(('vm.ovf', good), ('disk.vmdk', disk))
both = [('vm.ovf', good), ('disk.vmdk', disk)]
bomb = gzip.compress(bytes(300 << 20), 9)


def manifest(text):
    return package(good, ('vm.mf', text.encode() if isinstance(text, str) else text))


def patched(name, at, value):
    """A header field of this member, and the checksum."""
    data = bytearray(tar(both))
    start = data.index(name.encode() + b'\0')
    data[start + at:start + at + len(value)] = value
    data[start + 148:start + 156] = b' ' * 8
    data[start + 148:start + 156] = b'%06o\0 ' % sum(data[start:start + 512])
    return bytes(data)


# name: bytes, status, slug of a file, and of a pipe where that is another; None: it is read
cases = {
    'good': (package(good), 0, None),
    'good-manifest': (manifest(line), 0, None),
    'good-subfolder': (tar([('a/vm.ovf', good), ('a/disk.vmdk', disk)]), 0, None),
    'good-pax': (package(good, format=tarfile.PAX_FORMAT), 0, None),
    'good-tail': (package(good, tail=bytes(3000)), 0, None),
    # the archive
    'zip': (b'PK\x03\x04' + bytes(1000), 4, 'image/foreign'),
    'twice-compressed': (gzip.compress(gzip.compress(package(good))), 3, 'input/nested'),
    'symlink': (package(good, prepare=kind(tarfile.SYMTYPE, linkname='/etc/passwd')), 3, 'ova/member-type'),
    'hardlink': (package(good, prepare=kind(tarfile.LNKTYPE, linkname='vm.ovf')), 3, 'ova/member-type'),
    'device': (package(good, prepare=kind(tarfile.BLKTYPE)), 3, 'ova/member-type'),
    'char': (package(good, prepare=kind(tarfile.CHRTYPE)), 3, 'ova/member-type'),
    'fifo': (package(good, prepare=kind(tarfile.FIFOTYPE)), 3, 'ova/member-type'),
    'name-absolute': (tar([*both, ('/etc/x', b'x')]), 3, 'ova/member-name'),
    'name-up': (tar([*both, ('a/../../x', b'x')]), 3, 'ova/member-name'),
    'name-backslash': (tar([*both, ('a\\..\\x', b'x')]), 3, 'ova/member-name'),
    'name-control': (tar([*both, ('a\x1b[31mx', b'x')]), 3, 'ova/member-name'),
    'name-latin': (tar([*both, ('a\udcffx', b'x')]), 3, 'ova/member-name'),
    'name-long': (tar([*both, ('x' * 256, b'x')]), 3, 'ova/member-name'),
    'same-name': (tar([*both, ('disk.vmdk', b'x')]), 3, 'ova/member-dup'),
    'same-name-folded': (tar([*both, ('DISK.vmdk', b'x')]), 3, 'ova/member-dup'),
    'no-ovf': (tar([('disk.vmdk', disk)]), 3, 'ova/ovf', 4, 'ova/pipe-order'),
    'two-ovf': (tar([*both, ('b.ovf', good)]), 3, 'ova/ovf'),
    'ovf-last': (tar([('disk.vmdk', disk), ('vm.ovf', good)]), 0, None, 4, 'ova/pipe-order'),
    'two-manifests': (tar([*both, ('a.mf', line.encode()), ('b.mf', line.encode())]), 3, 'ova/manifest'),
    'many': (tar([*both, *[('x%d' % i, b'') for i in range(300)]]), 3, 'ova/layout'),
    'trailing': (package(good, tail=b'x' * 600), 3, 'ova/layout'),
    'two-tars': (package(good, tail=package(good)), 3, 'ova/layout'),
    'negative': (patched('disk.vmdk', 124, b'\xff' * 12), 3, 'ova/container'),
    'too-large': (patched('disk.vmdk', 124, b'77777777777\0'), 3, 'input/truncated', 3, ''),
    'beyond-64-bits': (patched('disk.vmdk', 124, b'\x80' + b'\x7f' * 11), 3, ''),
    'checksum': (tar(both).replace(b'disk.vmdk\0', b'disk.vmdj\0', 1), 3, 'ova/container'),
    'cut': (package(good)[:-20000], 3, 'input/truncated', 3, ''),
    'missing': (tar([('vm.ovf', good)]), 3, 'ovf/href'),
    'bomb': (tar([('vm.ovf', ovf(href='b.gz', file='ovf:compression="gzip"')), ('b.gz', bomb)]), 3, ''),
    'not-gzip': (package(ovf(file='ovf:compression="gzip"')), 3, 'input/damaged'),
    'huge-ovf': (package(good + b' ' * (5 << 20)), 3, 'ova/text-size'),
    # the manifest
    'digest': (manifest(line[:-3] + '00\n'), 3, 'manifest/mismatch'),
    'digest-length': (manifest(line.replace('SHA256', 'SHA1')), 3, 'manifest/syntax'),
    'digest-twice': (manifest(line + line), 3, 'manifest/syntax'),
    'digest-other': (manifest(line + 'hello\n'), 3, 'manifest/syntax'),
    'digest-nul': (manifest(line.replace('vm.ovf', 'vm\0.ovf')), 3, 'manifest/syntax'),
    'digest-unknown': (manifest(line + 'CRC32(x)= 00000000\n'), 4, 'manifest/algorithm'),
    'digest-missing': (manifest(sums(('vm.ovf', good))), 3, 'manifest/missing-member'),
    'digest-no-ovf': (manifest(sums(('disk.vmdk', disk))), 3, 'manifest/missing-member'),
    'digest-lenient': (manifest('\r\n'.join(l.replace('(', ' (').replace(')= ', ') = ').upper().replace(
        'VM.OVF', 'vm.ovf').replace('DISK.VMDK', 'disk.vmdk') for l in line.split('\n'))), 0, None),
    'digest-absent': (manifest(line + sums(('gone.nvram', b'x'))), 0, None),
    'huge-manifest': (manifest(line + '\n' * (2 << 20)), 3, 'ova/text-size'),
    'many-digests': (manifest(line + ''.join('SHA1(x%d)= %040x\n' % (i, i) for i in range(5000))), 3, 'manifest/syntax'),
    # the XML
    'dtd': (package(b'<!DOCTYPE a>' + good[22:]), 3, 'xml/dtd'),
    'laughs': (package(b'<!DOCTYPE a [<!ENTITY a "x">' + b''.join(
        b'<!ENTITY %c "%s">' % (98 + i, b'&%c;' % (97 + i) * 20) for i in range(8)) + b']>' + good[22:]), 3, 'xml/dtd'),
    'external': (package(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' +
                         ovf(name='&x;')[22:]), 3, 'xml/dtd'),
    'entity': (package(ovf(name='&nbsp;')), 3, 'xml/entity'),
    'entity-attribute': (package(ovf(href='&x;')), 3, 'xml/entity'),
    'good-entities': (package(ovf(name='&lt;&amp;&gt;&quot;&apos;&#65;&#x42;')), 0, None),
    'bad-character': (package(ovf(name='&#0;')), 3, 'xml/syntax'),
    'depth': (package(ovf(more='<a>' * 70 + '</a>' * 70)), 3, 'xml/limit'),
    'nodes': (package(ovf(more='<a/>' * 120000)), 3, 'xml/limit'),
    'attributes': (package(ovf(more='<a %s/>' % ' '.join('a%d="x"' % i for i in range(120000)))), 3, 'xml/limit'),
    'attribute': (package(ovf(more='<a b="%s"/>' % ('x' * 70000))), 3, 'xml/limit'),
    'unclosed': (package(good[:-20]), 3, 'xml/syntax'),
    'two-roots': (package(good + b'<Envelope/>'), 3, 'xml/syntax'),
    'empty-ovf': (package(b''), 3, 'xml/syntax'),
    'latin': (package(ovf(name='x').replace(b'<Name>x', b'<Name>\xe9')), 3, 'xml/syntax'),
    'utf-16': (package(good.decode().encode('utf-16')), 3, 'xml/syntax'),
    'utf-32': (package(good.decode().encode('utf-32')), 3, 'xml/syntax'),
    'root': (package(b'<Domain/>'), 3, 'ovf/envelope'),
    # the description
    'href-url': (package(ovf(href='http://127.0.0.1:1/disk.vmdk')), 3, 'ovf/href'),
    'href-absolute': (package(ovf(href='/etc/passwd')), 3, 'ovf/href'),
    'href-up': (package(ovf(href='../disk.vmdk')), 3, 'ovf/href'),
    'href-encoded': (package(ovf(href='%2e%2e/disk.vmdk')), 3, 'ovf/href'),
    'same-id': (package(ovf(more='<DiskSection/>', end='').replace(
        b'</References>', b'<File ovf:id="f" ovf:href="b"/></References>')), 3, 'ovf/ref'),
    'unknown-ref': (package(ovf().replace(b'fileRef="f"', b'fileRef="g"')), 3, 'ovf/ref'),
    'parent': (package(ovf(disk='ovf:parentRef="d"')), 4, 'ovf/parent'),
    'overflow': (package(ovf(capacity='18446744073709551615', disk='ovf:capacityAllocationUnits="byte * 2^40"')), 3, 'ovf/capacity'),
    'negative-capacity': (package(ovf(capacity='-1')), 3, 'ovf/capacity'),
    'chunk-missing': (package(ovf(file='ovf:chunkSize="100000"')), 3, 'ovf/chunk'),
    'compression': (package(ovf(file='ovf:compression="lzma"')), 4, 'ovf/compressed'),
    'encrypted': (package(ovf(more='<EncryptionSection/>')), 4, 'ovf/encrypted'),
    'several': (package(ovf(end='<VirtualSystem ovf:id="b"/>')), 4, 'ovf/multi'),
    'required': (package(ovf(more='<x:Odd xmlns:x="x" ovf:required="true"/>')), 4, 'ovf/required'),
    'not-required': (package(ovf(more='<x:Odd xmlns:x="x" ovf:required="false"/><x:Odd xmlns:x="x"/>')), 0, None),
    'odd-name': (package(ovf(name='%n%s%x\u202e\u2066\u009b31m')), 0, None),
}


def run(words, stdin=None):
    """Status, what it said, processor's time, memory."""
    read, write = os.pipe()
    start = time.monotonic()
    child = subprocess.Popen([vmlift, *words], stdin=stdin, stdout=write, stderr=write)
    os.close(write)
    said = os.fdopen(read, 'rb').read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    return os.waitstatus_to_exitcode(status), said, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


faults = 0
limit = 0 if 'asan' in vmlift or os.environ.get('ASAN_OPTIONS') else 64 << 10
for name, case in cases.items():
    data, status, slug = case[:3]
    with open('case.ova', 'wb') as f:
        f.write(data)
    for piped in False, True:
        want, says = (case[3], case[4]) if piped and len(case) > 3 else (status, slug)
        if piped:
            source = subprocess.Popen(['cat', 'case.ova'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            got, said, seconds, memory = run(['convert', '--disk', '1', '-O', 'raw', '-', 'out.raw'], source.stdout)
            source.stdout.close()
            source.wait()
        else:
            got, said, seconds, memory = run(['convert', '--disk', '1', 'case.ova', 'out.raw'])
        wrong = []
        if got != want or (says and b'[%s]' % says.encode() not in said):
            wrong.append('status %d, expected %d [%s]' % (got, want, says))
        if want != 0 and (said.count(b'\n') != 1 + said.count(b'note: ') or b'[' not in said):
            wrong.append('not one line')
        if any(c < 32 and c != 10 or c > 126 for c in said):
            wrong.append('not escaped')
        if want != 0 and os.path.exists('out.raw'):
            wrong.append('out.raw is there')
        if want == 0 and open('out.raw', 'rb').read() != open('disk.raw', 'rb').read():
            wrong.append('other bytes')
        if limit and seconds > 1:
            wrong.append('%.1f s' % seconds)
        if limit and memory > limit:
            wrong.append('%d KiB' % memory)
        if wrong:
            faults += 1
            print('%s%s: %s: %s' % (name, ', piped' if piped else '', '; '.join(wrong), said.decode(errors='replace')))
        if os.path.exists('out.raw'):
            os.unlink('out.raw')
    if status == 3:  # check finds it too
        got, said, seconds, memory = run(['check', 'case.ova'])
        if got != (4 if name == 'twice-compressed' else 1) or (limit and (seconds > 1 or memory > limit)):
            faults += 1
            print('%s: check: %d, %.1f s, %d KiB: %s' % (name, got, seconds, memory, said.decode(errors='replace')))
    if status == 0:
        _, said, _, _ = run(['info', 'case.ova'])
        if any(c < 32 and c != 10 or c > 126 for c in said):
            faults += 1
            print('%s: info is not escaped: %r' % (name, said))
print('%d packages' % len(cases))
sys.exit(faults > 0)
PY
python3 cases.py || fail "some are taken otherwise"
