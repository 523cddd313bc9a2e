// What each test file needs of a machine. `npm test` runs all of them; CONTRIBUTING.md says when to
// run which. test/architecture/tiers.test.ts holds the lists against the files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TEST = fileURLToPath(new URL('..', import.meta.url));

/** Pure logic: no root, no Debian package, no Linux. */
const PURE =
  /^(architecture|check|dockerfile|engine|shared-cache|start|ui|util|why)\/|^cache\/(policy|prune-plan)|^context\/(gomatch|ignore|patterns)|^oci\/(deflate|digest|parse|platform|reference)|^plan\/(compile|git-url)|^exec\/seccomp|^registry\/byte-cursor|^fs\/follow-links/;

/** Other people's programs that tests run wiac beside. */
const PEERS =
  /\b(buildah|podman|skopeo|umoci|mmdebstrap|docker-registry)\b|support\/registry\.js|registry\/helpers\.js|tar\/helpers\.js/;

/** @returns paths of test files below test/ */
export function testFiles() {
  return readdirSync(TEST, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .sort();
}

/** `pure`, `root` (overlays, namespaces, Debian's usual tools) or `peers`. */
export function tierOf(path) {
  if (PURE.test(path)) return 'pure';
  if (path.startsWith('conformance/')) return 'peers';
  return PEERS.test(readFileSync(join(TEST, path), 'utf8')) ? 'peers' : 'root';
}
