// What each test file needs of a machine. `npm test` runs all of them; CONTRIBUTING.md says when to
// run which. test/architecture/tiers.test.ts holds the lists against the files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TEST = fileURLToPath(new URL('..', import.meta.url));

/** Pure logic: no root, no Debian package, no Linux. */
const PURE = new RegExp(
  [
    '^(architecture|simulation|bake|check|cli|dockerfile|doctor|hcl|page|repro|report|serve|start|ui|util|verify|why)/',
    '^attest/(packages|package-lists|provenance|read-attestations)',
    '^engine/(?!outlook|take-snapshot)',
    '^shared-cache/(?!merge-cache)',
    '^executor/(place|queue-state|capabilities|container|device-rules|limits|operations|resolver|runtime-log|seccomp)',
    '^fs/(amend-tree|compose-tree|device-marks|follow-links|gomatch|ignore|merge-layers|patterns|tree-lookup)',
    '^oci/(deflate|digest|parse|platform|reference)',
    '^oci/(registry/byte-cursor|tar/parser)',
    '^lock/',
    '^plan/(compile|git-url)',
    '^sources/git-failure',
    '^store/(policy|prune-plan)',
  ].join('|'),
);

/** Other people's programs that tests run wiac beside. */
const PEERS =
  /\b(buildah|podman|skopeo|umoci|mmdebstrap|docker-registry|redis-server)\b|support\/(?:clean-rootfs|fleet|redis|registry)\.js|oci\/registry\/helpers\.js/;

/** Directories whose own helpers start such programs. */
const PEER_ROOMS = /^(conformance|oci\/registry)\//;

/** @returns paths of test files below test/ */
export function testFiles() {
  return readdirSync(TEST, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .sort();
}

/** `pure`, `root` (overlays, namespaces, Debian's usual tools) or `peers`. */
export function getTier(path) {
  if (PURE.test(path)) return 'pure';
  if (PEER_ROOMS.test(path)) return 'peers';
  return PEERS.test(readFileSync(join(TEST, path), 'utf8')) ? 'peers' : 'root';
}
