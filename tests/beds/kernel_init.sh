#!/bin/sh
# The first process of a host: its root is this machine's, read-only; what it writes is in memory.
# Arguments come from the kernel's command line as variables (bootparam(7)): BED_ROLE, BED_ADDRESS,
# BED_MODULES, BED_PYTHON, BED_AGENT.
mount -t proc proc /proc
mount -t sysfs sys /sys
for directory in /run /var/tmp /mnt /srv; do mount -t tmpfs tmpfs $directory; done
mkdir -p /run/nfs/sm /run/nfs/sm.bak
cp -a /var/lib/nfs/. /run/nfs/
mount --bind /run/nfs /var/lib/nfs
chown -R statd /var/lib/nfs/sm /var/lib/nfs/sm.bak
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/var/tmp
hostname "$BED_NAME"
ip link set lo up
ip link set vec0 up
ip address add "$BED_ADDRESS/24" dev vec0
load() { for module; do modprobe -d "$BED_MODULES" "$module"; done; }
rpcbind
rpc.statd --no-notify
if [ "$BED_ROLE" = server ]; then
    load nfsd
    mount -t nfsd nfsd /proc/fs/nfsd
    mkdir -p -m 1777 /srv/export
    for file in /proc/fs/nfsd/nfsv4leasetime /proc/fs/nfsd/nfsv4gracetime; do echo 10 > $file; done
    exportfs -i -o rw,sync,no_root_squash,no_subtree_check,fsid=0,insecure '*:/srv/export'
    rpc.mountd
    rpc.nfsd 8
else
    load nfs nfsv3 nfsv4 cifs hmac cmac ctr ecb ccm gcm ghash_generic sha512_generic
fi
exec "$BED_PYTHON" "$BED_AGENT"
