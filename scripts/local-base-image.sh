#!/usr/bin/env bash
# Makes an image under the name of the Node base image, for Debian machines that cannot pull it: the Debian packages that Node and
# a shell need, unpacked and not set up, and the Node and npm that run here. An image of that name that exists is left as it is,
# and one that can be pulled is.
#
#   scripts/local-base-image.sh [NAME]
set -euo pipefail
name=${1:-node:22-bookworm-slim}
if docker image inspect "$name" >/dev/null 2>&1; then exit 0; fi
if docker pull -q "$name" >/dev/null 2>&1; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root" "$work/packages"
packages="base-files dash coreutils findutils libc6 libgcc-s1 libstdc++6 libacl1 libattr1 libgmp10 libselinux1 libpcre2-8-0"
(
  cd "$work/packages"
  # Lists are there or are fetched: machines are often made without them. The other user of apt would not be let in here.
  apt-get download -qq -o APT::Sandbox::User=root $packages 2>/dev/null || {
    apt-get update -qq
    apt-get download -qq -o APT::Sandbox::User=root $packages
  }
)
# One /usr, as Debian has it.
for folder in bin sbin lib lib64; do
  mkdir -p "$root/usr/$folder"
  ln -s "usr/$folder" "$root/$folder"
done
for package in "$work"/packages/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"
done
printf 'root:x:0:0:root:/root:/bin/sh\n' > "$root/etc/passwd"
printf 'root:x:0:\n' > "$root/etc/group"
mkdir -p -m 1777 "$root/tmp"

node=$(readlink -f "$(command -v node)")
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules" "$root/usr/local/etc" "$root/etc/ssl/certs"
cp "$node" "$root/usr/local/bin/node"
cp -a "$npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
# Whatever this machine trusts, so that packages can be had in the way they are had here.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo "cafile=/etc/ssl/certs/ca-certificates.crt" > "$root/usr/local/etc/npmrc"
tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
  - "$name" >/dev/null
