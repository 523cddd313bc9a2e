#!/bin/sh
# peers.sh DIRECTORY COMMAND...: runs a command with Debian trixie's Docker Engine (BuildKit) and buildah at hand.
# DIRECTORY keeps trixie from one run to the next, and needs room for a sparse
# file of 64 GB. Everything else, the daemon and its mounts too, is gone when the
# command ends: all mounts are in a namespace of their own.
set -eu

if [ "${WIAC_PEERS:-}" != inside ]; then
  [ $# -ge 2 ] || { echo "usage: $0 DIRECTORY COMMAND..." >&2; exit 2; }
  mkdir -p "$1"
  root=$(realpath "$1")/trixie
  shift
  if [ ! -e "$root.complete" ]; then
    rm -rf "$root"
    mmdebstrap -q --variant=minbase --include=docker.io,docker-cli,docker-buildx,iptables,buildah,netavark,ca-certificates \
      trixie "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >&2
    touch "$root.complete"
  fi
  WIAC_PEERS=inside exec unshare --mount --propagation private "$0" "$root" "$@"
fi

root=$1
shift
unset WIAC_PEERS
BENCH_DIR=$(mktemp -d "${root%/*}/run.XXXXXX")
export BENCH_DIR
# A file system of its own, new each time: some are slow to make files shortly after others were removed, and which
# builder that hits would be chance.
image=$BENCH_DIR.ext4
truncate -s 64G "$image"
mkfs.ext4 -q -F "$image"
device=$(losetup --find --show --direct-io=on "$image")
mount "$device" "$BENCH_DIR"
# It goes with its last mount.
losetup --detach "$device"
# runc and buildah want a mount point as their /.
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/run"
# What the benchmarks write has one path, in trixie and outside.
mkdir -p "$root$BENCH_DIR" "$BENCH_DIR/bin"
mount --bind "$BENCH_DIR" "$root$BENCH_DIR"
for name in docker buildah; do
  printf '#!/bin/sh\nexec chroot "%s" %s "$@"\n' "$root" "$name" > "$BENCH_DIR/bin/trixie-$name"
  chmod +x "$BENCH_DIR/bin/trixie-$name"
done

# Not more than this machine gives: buildah asks for a million of each.
limit() { prlimit --noheadings --raw --output HARD "--$1"; }
mkdir -p "$root/etc/containers/containers.conf.d"
printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' \
  "$(limit nofile)" "$(limit nofile)" "$(limit nproc)" "$(limit nproc)" \
  > "$root/etc/containers/containers.conf.d/peers.conf"

# No bridge and no packet filter: nothing of the machine's network is changed.
setpriv --pdeathsig TERM chroot "$root" dockerd --data-root "$BENCH_DIR/docker" -H "unix://$BENCH_DIR/docker.sock" \
  --bridge=none --iptables=false --ip6tables=false --ip-forward=false --pidfile /run/dockerd.pid \
  --exec-root /run/docker --cgroup-parent wiac-peers > "$BENCH_DIR/dockerd.log" 2>&1 &
daemon=$!
finish() {
  kill "$daemon" 2> /dev/null || true
  wait "$daemon" 2> /dev/null || true
  umount -l "$root$BENCH_DIR" "$BENCH_DIR"
  rm -f "$image"
  rmdir "$BENCH_DIR" "$root$BENCH_DIR"
  find /sys/fs/cgroup -depth -type d -path '*/wiac-peers*' -exec rmdir {} + 2> /dev/null || true
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
tries=0
until "$BENCH_DIR/bin/trixie-docker" -H "unix://$BENCH_DIR/docker.sock" version > /dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ] || ! kill -0 "$daemon" 2> /dev/null; then
    cat "$BENCH_DIR/dockerd.log" >&2
    exit 1
  fi
  sleep 0.1
done
BUILDKITD=unix://$BENCH_DIR/docker.sock DOCKER=$BENCH_DIR/bin/trixie-docker TRIXIE_BUILDAH=$BENCH_DIR/bin/trixie-buildah "$@"
