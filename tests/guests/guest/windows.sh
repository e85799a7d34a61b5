# shellcheck shell=bash disable=SC2034,SC2154
# What programs look at to know a Windows, and no more: two NTFS volumes with the folders and the registry
# of a Windows Server 2019 with VMware Tools, a growing pagefile, hibernation on, and no driver of AWS's.
from=

table() {
    truncate -s 320M "$1"
    printf '%s\n' 'label: dos' 'label-id: 0x76420006' 'start=2048,size=48M,type=7,bootable' 'type=7' |
        sfdisk -q "$1"
    # Windows' code is not ours to give: what is known of it are its words.
    printf '\372\353\376Missing operating system\0' | dd of="$1" conv=notrunc status=none
}

# hive NAME: an empty one, with the .reg text from stdin merged, and the keys above its keys
hive() {
    local prefix="HKEY_LOCAL_MACHINE\\$1"
    "$here/hive.py" "$1"
    prefix=$prefix awk 'BEGIN { print "Windows Registry Editor Version 5.00\n" }
        /^\[/ {
            above = ENVIRON["prefix"]
            n = split(substr($0, length(above) + 3, length($0) - length(above) - 3), names, "\\")
            for (i = 1; i <= n; i++) {
                above = above "\\" names[i]
                if (!seen[above]++ && i < n)
                    print "[" above "]\n"
            }
        }
        { print }' >"$1.reg"
    hivexregedit --merge --prefix "$prefix" "$1" "$1.reg"
}
# program FILE: the head of one for x86-64, as far as the kind of file is told by it
program() {
    printf 'MZ%58s\200\0\0\0%64sPE\0\0\144\206\0\0%12s\360\0\42\0\13\2%4000s' '' '' '' '' | tr ' ' '\0' >"$1"
}

registry() {
    hive SOFTWARE <<'REG'
[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion]
"ProductName"="Windows Server 2019 Standard"
"CurrentVersion"="6.3"
"CurrentMajorVersionNumber"=dword:0000000a
"CurrentMinorVersionNumber"=dword:00000000
"CurrentBuild"="17763"
"CurrentBuildNumber"="17763"
"EditionID"="ServerStandard"
"InstallationType"="Server"
"SystemRoot"="C:\\Windows"
"DigitalProductId"=hex(3):a4,00,00,00

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion]
"ProgramFilesDir"="C:\\Program Files"

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{0B6AC7F4-36DC-4B57-9D2E-7C9C3AD1B006}]
"DisplayName"="VMware Tools"
"DisplayVersion"="11.3.0.18090558"
"Publisher"="VMware, Inc."
"InstallLocation"="C:\\Program Files\\VMware\\VMware Tools\\"

[HKEY_LOCAL_MACHINE\SOFTWARE\VMware, Inc.\VMware Tools]
"InstallPath"="C:\\Program Files\\VMware\\VMware Tools\\"
REG
    hive SYSTEM <<'REG'
[HKEY_LOCAL_MACHINE\SYSTEM\Select]
"Current"=dword:00000001
"Default"=dword:00000001
"Failed"=dword:00000000
"LastKnownGood"=dword:00000001

[HKEY_LOCAL_MACHINE\SYSTEM\MountedDevices]
"\\DosDevices\\C:"=hex(3):06,00,42,76,00,00,10,03,00,00,00,00

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\Session Manager\Memory Management]
"PagingFiles"=hex(7):3f,00,3a,00,5c,00,70,00,61,00,67,00,65,00,66,00,69,00,6c,00,65,00,2e,00,73,00,79,00,73,00,00,00,00,00
"ExistingPageFiles"=hex(7):43,00,3a,00,5c,00,70,00,61,00,67,00,65,00,66,00,69,00,6c,00,65,00,2e,00,73,00,79,00,73,00,00,00,00,00

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\Session Manager\Power]
"HiberbootEnabled"=dword:00000001

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\Power]
"HibernateEnabled"=dword:00000001

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\Nls\Language]
"InstallLanguage"="0409"

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\Tcpip\Parameters]
"Hostname"="WINDOWS"
"Domain"=""

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\Tcpip\Parameters\Interfaces\{0B6AC7F4-36DC-4B57-9D2E-7C9C3AD1C006}]
"EnableDHCP"=dword:00000000

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\VMTools]
"DisplayName"="VMware Tools"
"ImagePath"="\"C:\\Program Files\\VMware\\VMware Tools\\vmtoolsd.exe\""
"Start"=dword:00000002
"Type"=dword:00000010

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\pvscsi]
"ImagePath"="System32\\drivers\\pvscsi.sys"
"Start"=dword:00000000
"Type"=dword:00000001

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\vmxnet3ndis6]
"ImagePath"="System32\\drivers\\vmxnet3.sys"
"Start"=dword:00000003
"Type"=dword:00000001

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\stornvme]
"ImagePath"="System32\\drivers\\stornvme.sys"
"Start"=dword:00000003
"Type"=dword:00000001
REG
    hive BCD <<'REG'
[HKEY_LOCAL_MACHINE\BCD\Description]
"KeyName"="BCD00000000"
REG
}

finish() {
    registry
    program program.exe
    printf 'hibernation' >hiberfil.sys
    truncate -s 16M pagefile.sys
    appliance "$1" <<'COMMANDS'
mkfs ntfs /dev/sda1 "label:System Reserved"
mkfs ntfs /dev/sda2
mount /dev/sda1 /
upload program.exe /bootmgr
mkdir /Boot
upload BCD /Boot/BCD
umount /
mount /dev/sda2 /
mkdir-p /Windows/System32/config
mkdir-p /Windows/System32/drivers
mkdir-p /Users/Administrator
mkdir-p "/Program Files/VMware/VMware Tools"
upload SOFTWARE /Windows/System32/config/SOFTWARE
upload SYSTEM /Windows/System32/config/SYSTEM
upload program.exe /Windows/explorer.exe
upload program.exe /Windows/System32/cmd.exe
upload program.exe /Windows/System32/winload.exe
upload program.exe /Windows/System32/drivers/pvscsi.sys
upload program.exe /Windows/System32/drivers/vmxnet3.sys
upload program.exe /Windows/System32/drivers/stornvme.sys
upload program.exe "/Program Files/VMware/VMware Tools/vmtoolsd.exe"
upload pagefile.sys /pagefile.sys
upload hiberfil.sys /hiberfil.sys
COMMANDS
}
