#!/usr/bin/env bash
# An interruption ends a copy, with status 130, and nothing is left. It takes a fraction of a second;
# the limits here only tell that from a program that hangs.
. "$(dirname "$0")/../functions.sh"
requires python3

mkdir out
# A job in the background of a script ignores SIGINT, so python starts the program, and times it.
cat >interrupt.py <<'EOF'
import os, signal, subprocess, sys, time

number, feed, *words = sys.argv[1:]
child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
os.write(child.stdin.fileno(), b"\x55" * int(feed))  # the pipe stays open: more may come
time.sleep(0.4)
if child.poll() is not None:
    sys.exit("it ended before it was interrupted: %r" % child.stderr.read())
start = time.monotonic()
child.send_signal(getattr(signal, number))
status = child.wait(timeout=20)
took = time.monotonic() - start
text = child.stderr.read().decode()
print(number, status, "%.2f s" % took, text.strip())
if status != 130 or "[interrupted]" not in text:
    sys.exit("status %d after %.2f s: %s" % (status, took, text))
EOF

for number in SIGINT SIGTERM SIGHUP; do
    # waiting for the head, in the middle of the disk, and without anything at all
    for feed in 0 1000 50000; do
        python3 interrupt.py $number $feed "$VMLIFT" convert -f raw --size 1G - out/disk.vmdk
        python3 interrupt.py $number $feed "$VMLIFT" convert -f raw - out/disk.raw
        [ -z "$(ls -A out)" ] || fail "left behind: $(ls -A out)"
    done
done
python3 interrupt.py SIGINT 0 "$VMLIFT" convert -O ova - out/disk.ova
python3 interrupt.py SIGINT 0 "$VMLIFT" import --store out/store --name slow -
[ ! -e out/disk.ova ] || fail "an OVA was left behind"

# busy with a file, not waiting: as soon
python3 - "$VMLIFT" <<'EOF'
import os, signal, subprocess, sys, time

with open("busy.raw", "wb") as f:
    for i in range(64):
        f.write(os.urandom(1 << 20))
words = [sys.argv[1], "convert", "--threads", "2", "-O", "vmdk", "-o", "level=9", "busy.raw", "-"]
child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
child.stdout.read(100000)  # and no more: the pipe fills up
time.sleep(1)
child.send_signal(signal.SIGINT)
status = child.wait(timeout=20)
if status != 130:
    sys.exit("a writer to a full pipe: status %r" % status)
EOF
