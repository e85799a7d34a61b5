# shellcheck shell=bash
# An S3 server that nobody here wrote and that looks at signatures: Ceph's radosgw, with one monitor and
# one store in memory beneath it, all on 127.0.0.1, as the user that runs the test, and without systemd.
# To be sourced behind functions.sh.
#
#     radosgw_start        $S3_ENDPOINT is its URL; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which
#                          are exported, a user's: those that there are, or some
#
# It ends with the shell that started it, however that ends.

requires ceph-mon ceph-osd radosgw ceph radosgw-admin ceph-authtool monmaptool setpriv curl python3

# free_ports N: as many that nobody listens on.
free_ports() {
    python3 -c '
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

daemons=()
# Before the folder goes that they write to.
stop_daemons() {
    [ ${#daemons[@]} -eq 0 ] || kill -KILL "${daemons[@]}" 2>/dev/null || true
    wait "${daemons[@]}" 2>/dev/null || true
}
# shellcheck disable=SC2154 # tmp is of functions.sh
trap 'stop_daemons; rm -rf "${tmp:?}"' EXIT

# daemon PROGRAM ARGUMENT...: in the foreground of a child that is killed when this shell is gone.
daemon() {
    setpriv --pdeathsig KILL "$@" -f >>"$ceph/$1.out" 2>&1 </dev/null &
    daemons+=($!)
}

# until_true SECONDS COMMAND...: tries every quarter of a second.
until_true() {
    local tries=$(($1 * 4))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.25
    done
}

ceph_says() {
    timeout 60 ceph -c "$ceph/ceph.conf" "$@"
}

osd_is_up() {
    ceph_says osd stat | grep -q '1 up'
}

radosgw_configure() {
    local fsid=$1 mon_port=$2 s3_port=$3
    cat >"$ceph/ceph.conf" <<CONF
[global]
fsid = $fsid
mon initial members = a
mon host = [v2:127.0.0.1:$mon_port/0]
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind ipv6 = false
keyring = $ceph/keyring
auth allow insecure global id reclaim = false
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 2
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
admin socket = $ceph/run/\$name.asok
pid file = $ceph/run/\$name.pid
log file = $ceph/log/\$name.log
mon cluster log file = $ceph/log/cluster.log
crash dir = $ceph/log
[mon.a]
mon data = $ceph/mon
[osd.0]
osd data = $ceph/osd
[client.rgw.x]
rgw frontends = beast endpoint=127.0.0.1:$s3_port
rgw data = $ceph/rgw
rgw run sync thread = false
rgw relaxed s3 bucket names = true
CONF
}

radosgw_keys() {
    ceph-authtool --create-keyring "$ceph/keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$ceph/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$ceph/keyring" --gen-key -n client.rgw.x --cap mon 'allow rw' --cap osd 'allow rwx'
    ceph-authtool "$ceph/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
}

radosgw_start() {
    ceph=${tmp:?is of functions.sh}/ceph
    local fsid mon_port s3_port
    fsid=$(cat /proc/sys/kernel/random/uuid)
    read -r mon_port s3_port <<<"$(free_ports 2)"
    mkdir -p "$ceph"/{mon,osd,run,log,rgw}
    radosgw_configure "$fsid" "$mon_port" "$s3_port"
    radosgw_keys >/dev/null
    monmaptool --create --clobber --addv a "[v2:127.0.0.1:$mon_port/0]" --fsid "$fsid" "$ceph/monmap" >/dev/null
    ceph-mon -c "$ceph/ceph.conf" --mkfs -i a --monmap "$ceph/monmap" --keyring "$ceph/keyring"
    daemon ceph-mon -c "$ceph/ceph.conf" -i a
    until_true 60 ceph_says -s || fail "ceph-mon does not answer: $(tail -n 5 "$ceph/ceph-mon.out")"
    ceph_says osd create >/dev/null
    ceph-osd -c "$ceph/ceph.conf" -i 0 --mkfs --osd-uuid "$(cat /proc/sys/kernel/random/uuid)" 2>/dev/null
    daemon ceph-osd -c "$ceph/ceph.conf" -i 0
    until_true 60 osd_is_up || fail "ceph-osd does not come up: $(tail -n 5 "$ceph/ceph-osd.out")"
    daemon radosgw -c "$ceph/ceph.conf" -n client.rgw.x
    until_true 120 curl -sf -o /dev/null "http://127.0.0.1:$s3_port/" ||
        fail "radosgw does not answer: $(tail -n 5 "$ceph/radosgw.out")"
    export S3_ENDPOINT=http://127.0.0.1:$s3_port
    export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-AKIAIOSFODNN7EXAMPLE}
    export AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}
    timeout 60 radosgw-admin -c "$ceph/ceph.conf" user create --uid=test --display-name=test \
        --access-key="$AWS_ACCESS_KEY_ID" --secret="$AWS_SECRET_ACCESS_KEY" >/dev/null 2>&1 ||
        fail "radosgw has no user"
}
