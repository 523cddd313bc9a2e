/** wiac's side of wiac-sys: starting it, talking to it, and how it ends. */
import { afterEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getBinary } from '../../src/native/binary.js';
import { ASK, PROTOCOL, TELL } from '../../src/native/frames.js';
import type { WiacSys } from '../../src/native/wiac-sys.js';
import { checkVersion, lazyWiacSys } from '../../src/native/wiac-sys.js';
import { processesWith } from '../support/wiac.js';

let sys: WiacSys | undefined;
afterEach(() => {
  sys?.close();
  sys = undefined;
});

const own = () =>
  processesWith(`${getBinary()}\0serve`).filter((pid) => Number(pid) !== process.pid);

test('it says which messages it understands', async () => {
  expect((await execa(getBinary(), ['--version'])).stdout).toBe(`wiac-sys ${PROTOCOL}`);
  sys = lazyWiacSys();
  await checkVersion(sys);
  const { kind, payload } = await sys.request(ASK.version, Buffer.alloc(0));
  expect({ kind, text: String(payload) }).toEqual({ kind: TELL.version, text: PROTOCOL });
});

test('a request of a kind that it does not know is refused, and others go on', async () => {
  sys = lazyWiacSys();
  await expect(sys.request(200, Buffer.from('x'))).rejects.toMatchObject({
    code: 'ISOLATION',
    message: expect.stringContaining('no request of this kind is known'),
  });
  await checkVersion(sys);
});

test('it is started once, by the first request, and ends with its wiac', async () => {
  const before = own();
  sys = lazyWiacSys();
  expect(own()).toEqual(before);
  await Promise.all([checkVersion(sys), checkVersion(sys)]);
  expect(own()).toHaveLength(before.length + 1);
  sys.close();
  for (let tries = 0; tries < 100 && own().length > before.length; tries++)
    await new Promise((resume) => setTimeout(resume, 20));
  expect(own()).toEqual(before);
});
