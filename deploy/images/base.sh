#!/usr/bin/env bash
# Makes the root file system that the images stand on from Debian packages: glibc, libgcc, zlib, CA certificates and a user 65532. No shell, no package manager.
# base.sh DIRECTORY; runs on the host for build.sh and in a Debian container for the Containerfile. Needs apt-get and dpkg-deb, installs nothing.
# Leaves DIRECTORY, about 15 MB.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../node/lib/common.sh"

rootfs=${1:?base.sh DIRECTORY}
apt_unpack "$rootfs" libc6 libgcc-s1 zlib1g ca-certificates

cd "$rootfs"
for dir in lib lib64; do # one tree under /usr, as Debian has it, whatever the packages say
  if [[ -d $dir && ! -L $dir ]]; then
    mkdir -p usr/$dir
    cp -a $dir/. usr/$dir/
    rm -r $dir
  fi
  [[ ! -d usr/$dir ]] || ln -sfn usr/$dir $dir
done
mkdir -p etc/ssl/certs home/nonroot tmp
cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
echo 'hosts: files dns' >etc/nsswitch.conf
printf '%s\n' 'root:x:0:0:root:/root:/sbin/nologin' 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >etc/passwd
printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' >etc/group
chown 65532:65532 home/nonroot
chmod 1777 tmp
# the licences stay, what no program reads goes
find usr/share/doc -type f ! -name copyright -delete
rm -rf usr/sbin usr/bin usr/lib/*/gconv usr/lib/*/audit usr/share/{ca-certificates,man,lintian,locale} etc/ca-certificates etc/ld.so.conf.d
