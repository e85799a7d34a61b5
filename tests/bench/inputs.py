"""What is converted: the sample machine's disk, a made one, and what vmlift itself makes of them."""

import os
import random
import tarfile

from measure import ask

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
BLOCK = 512 << 10

OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References>{files}</References>
  <DiskSection><Info>disks</Info>{disks}</DiskSection>
  <VirtualSystem ovf:id="bench"><Info>a machine</Info>
    <VirtualHardwareSection><Info>its hardware</Info>
      <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>{items}
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
FILE = '<File ovf:id="f{0}" ovf:href="{1}" ovf:size="{2}"/>'
DISK = (
    '<Disk ovf:diskId="d{0}" ovf:fileRef="f{0}" ovf:capacity="{1}"'
    ' ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>'
)
ITEM = (
    "<Item><rasd:AddressOnParent>{0}</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d{0}</rasd:HostResource>"
    "<rasd:InstanceID>{2}</rasd:InstanceID><rasd:Parent>1</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>"
)


def machine():
    """The sample machine's disk, which is made when it is not there."""
    return ask(os.path.join(HERE, "..", "..", "samples", "make-vm.sh")).strip()


def write_made(path, size, data, places=256):
    """A disk of size bytes with `data` bytes of data in runs all over it: a quarter noise, the rest hexadecimal
    digits, of which deflate takes about a half off."""
    chance = random.Random(1)
    run = max(data // places // BLOCK, 1)
    with open(path, "wb") as f:
        f.truncate(size)
        for place in range(data // BLOCK // run):
            f.seek(place * (size // (data // BLOCK // run)) // BLOCK * BLOCK)
            for _ in range(run):
                f.write(chance.randbytes(BLOCK // 4))
                f.write(chance.randbytes(BLOCK * 3 // 8).hex().encode())
        f.flush()
        os.fsync(f.fileno())
    return path


def into_cache(path):
    with open(path, "rb") as f:
        while f.read(1 << 24):
            pass


class Disk:
    """A raw disk, and in the folder a streamOptimized VMDK of it: of level 6, as most programs make them."""

    def __init__(self, name, raw, folder):
        self.name, self.raw = name, raw
        self.size = os.stat(raw).st_size
        self.data = os.stat(raw).st_blocks * 512
        self.vmdk = os.path.join(folder, f"{name}.vmdk")
        ask(os.environ["VMLIFT"], "convert", "-o", "level=6", "-f", "raw", raw, self.vmdk)
        into_cache(raw)
        into_cache(self.vmdk)


def write_ova(path, disks):
    """A machine of several disks, by the standard's least: description first, then the disks."""
    text = OVF.format(
        files="".join(FILE.format(i, os.path.basename(d.vmdk), os.stat(d.vmdk).st_size) for i, d in enumerate(disks)),
        disks="".join(DISK.format(i, d.size) for i, d in enumerate(disks)),
        items="".join(ITEM.format(i, d.name, i + 2) for i, d in enumerate(disks)),
    )
    folder = os.path.dirname(path)
    ovf = os.path.join(folder, "bench.ovf")
    with open(ovf, "w", encoding="utf-8") as f:
        f.write(text)
    plain = os.path.join(folder, "plain.ova")
    with tarfile.open(plain, "w", format=tarfile.USTAR_FORMAT) as tar:
        for member in (ovf, *(d.vmdk for d in disks)):
            tar.add(member, os.path.basename(member))
    # anew, which gives it the manifest that most OVAs have
    ask(os.environ["VMLIFT"], "convert", "--repack", plain, path)
    os.unlink(plain)
    into_cache(path)
    return path
