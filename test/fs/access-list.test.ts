/** Access control lists that were read in a user namespace. */
import { expect, test } from '@jest/globals';
import { withoutStrangers } from '../../src/fs/scan/access-list.js';
import { accessList } from '../support/access-list.js';

const NOBODY = 0xff_ff_ff_ff;
const ACCESS = 'system.posix_acl_access';
const owner = [1, 6, NOBODY] as const;
const group = [4, 4, NOBODY] as const;
const mask = [16, 6, NOBODY] as const;
const others = [32, 4, NOBODY] as const;

test.each([ACCESS, 'system.posix_acl_default'])('%s: entries of strangers go', (name) => {
  const read = accessList(owner, [2, 4, NOBODY], [2, 6, 1000], group, [8, 4, NOBODY], mask, others);
  expect(withoutStrangers(name, read)).toEqual(
    accessList(owner, [2, 6, 1000], group, mask, others),
  );
});

test('whoever is in the namespace stays, and so does what is no list', () => {
  const read = accessList(owner, [2, 6, 0], [8, 6, 65_533], group, mask, others);
  expect(withoutStrangers(ACCESS, read)).toEqual(read);
  const strange = accessList([2, 4, NOBODY]);
  expect(withoutStrangers('user.other', strange)).toEqual(strange);
  for (const bytes of [Buffer.alloc(0), Buffer.from('12'), strange.subarray(0, 9)])
    expect(withoutStrangers(ACCESS, bytes)).toEqual(bytes);
});
