// In which order test files begin. Jest begins with the largest files; those of test/conformance are small and
// take longest, so that one of them would be waited for alone at the end.
import Sequencer from '@jest/test-sequencer';

/** Rooms and files that take longest come first; others in Jest's own order. */
const FIRST = [
  /\/test\/conformance\//,
  /\/test\/(torture|model)\//,
  /\/test\/hostile\//,
  /\/e2e\/(ci-week|crash|debian|documents|index-damage|mounts-travel|packages|queue-faults|queue-limits|shared-writes)\.test/,
];

function rank(path) {
  const found = FIRST.findIndex((room) => room.test(path));
  return found === -1 ? FIRST.length : found;
}

export default class SlowestFirst extends Sequencer {
  sort(tests) {
    const usual = super.sort(tests);
    return [...usual].sort((a, b) => rank(a.path) - rank(b.path));
  }
}
