#!/usr/bin/env bash
# A cluster on one machine, for trying it: a queue, a registry, and three workers, each in a network namespace of
# its own. Run it as root; Ctrl-C ends all of it and removes what it made.
set -euo pipefail
wiac=${WIAC:-wiac}
net=10.88.77
queue=redis://$net.1:6379/0
registry=$net.1:5000
export WIAC_INSECURE_REGISTRIES=$registry

for program in redis-server docker-registry ip nsenter "$wiac"; do
	command -v "$program" >/dev/null || {
		echo "$program is missing: apt-get install redis-server docker-registry iproute2 util-linux, and install wiac" >&2
		exit 1
	}
done

ip link add wiac0 type bridge || {
	echo 'there is a cluster already, or this is not root' >&2
	exit 1
}
made=$(mktemp -d)
processes=()
finish() {
	trap '' EXIT INT TERM
	# Workers first: they give their steps back.
	for ((at = ${#processes[@]} - 1; at >= 0; at--)); do
		kill "${processes[at]}" 2>/dev/null || true
		wait "${processes[at]}" 2>/dev/null || true
	done
	for number in 1 2 3; do ip netns del "wiac$number" 2>/dev/null || true; done
	ip link del wiac0
	rm -rf "$made"
}
trap finish EXIT
trap 'exit 0' INT TERM

ip address add "$net.1/24" dev wiac0
ip link set wiac0 up

# Who reaches this address can have programs run on the workers: it is one of this machine alone.
redis-server --bind "$net.1" --protected-mode no --save '' --dir "$made" --maxmemory-policy noeviction \
	>"$made/redis.log" &
processes+=($!)
cat >"$made/registry.yml" <<END
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $made/registry}, delete: {enabled: true}}
http: {addr: $registry}
END
docker-registry serve "$made/registry.yml" >"$made/registry.log" 2>&1 &
processes+=($!)

# The third worker is for another processor where the kernel knows an emulator for it.
foreign=()
[ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || foreign=(--platform linux/arm64)

for number in 1 2 3; do
	ip netns add "wiac$number"
	ip link add "wiac0-$number" type veth peer name eth0 netns "wiac$number"
	ip link set "wiac0-$number" master wiac0 up
	ip -n "wiac$number" address add "$net.$((number + 1))/24" dev eth0
	ip -n "wiac$number" link set lo up
	ip -n "wiac$number" link set eth0 up
	flags=(--queue "$queue" --cache "$registry/cache" --name "worker$number")
	[ "$number" -lt 3 ] || flags+=("${foreign[@]}")
	WIAC_ROOT=$made/worker$number nsenter --net="/run/netns/wiac$number" "$wiac" worker "${flags[@]}" &
	processes+=($!)
done

until "$wiac" workers --queue "$queue" 2>/dev/null | grep -q worker3; do
	sleep 0.2
done
cat <<END
The cluster is there. In another terminal:
  export WIAC_INSECURE_REGISTRIES=$registry
  wiac build --queue $queue --cache $registry/cache PATH
  wiac workers --queue $queue
END
wait
