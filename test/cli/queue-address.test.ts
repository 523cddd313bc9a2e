/** What `--queue` takes: a wrong address is a wrong command line, not a queue that is away. */
import { expect, test } from '@jest/globals';
import { checkAddress } from '../../src/executor/queue/redis-link.js';

test.each(['redis://host/0', 'rediss://u:p@host:6379/1'])('%s is one', (address) => {
  expect(() => checkAddress(address)).not.toThrow();
});

test.each([
  ['foo', '--queue foo is no'],
  ['http://u:secret@host/0', '--queue http://host/0 is no'],
  ['u:secret@host', '--queue host is no'],
])('%s is none; the message has no password', (address, message) => {
  expect(() => checkAddress(address)).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(message) }),
  );
});
