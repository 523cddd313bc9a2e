import { expect, test } from '@jest/globals';
import { setupError } from '../../src/executor/local/setup-errors.js';

const ROOM = 'No space left on device';

test.each([
  ['clone: Resource temporarily unavailable', 'LIMIT', /^allow more processes/],
  ['fork: Resource temporarily unavailable', 'LIMIT', /^allow more processes/],
  ['pipe: Too many open files', 'LIMIT', /ulimit -n/],
  [`clone: ${ROOM}`, 'LIMIT', /max_mnt_namespaces/],
  [`unshare 33554432: ${ROOM}`, 'LIMIT', /max_mnt_namespaces/],
  [`open_tree: ${ROOM}`, 'LIMIT', /max_mnt_namespaces/],
  [`mount tmpfs /m tmpfs 14 mode=700: ${ROOM}`, 'LIMIT', /fs\.mount-max/],
  [`overlay /merged: ${ROOM}`, 'NO_SPACE', /free some space/],
  ['overlay /merged: Read-only file system', 'NO_SPACE', /free some space/],
  ['overlay /merged: Invalid argument', 'ISOLATION', /overlayfs refused/],
  [
    'clone: Operation not permitted',
    'ISOLATION',
    process.geteuid?.() === 0 ? /--cap-add SYS_ADMIN/ : /run wiac as root/,
  ],
  ['pivot /m: Resource temporarily unavailable', 'ISOLATION', /wiac doctor/],
])('%s', (message, code, hint) => {
  // A directory on a disk that has room.
  expect(setupError('it failed', message, '/')).toMatchObject({
    code,
    message: expect.stringContaining(`it failed: ${message}`),
    hint: expect.stringMatching(hint),
  });
});
