/** What Docker refuses: what builds here has to build there. */
import { expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context } from '../support/wiac.js';

const machine = warmMachines();

test.each([
  ['an upper-case name', ['-t', 'Name'], 2, 'not a name'],
  ['a name that ends in a sign', ['-t', 'name-'], 2, 'not a name'],
  ['a tag that begins with a sign', ['-t', 'name:-x'], 2, 'not a name'],
  ['two tags', ['-t', 'name:a:b'], 2, 'not a name'],
  ['a digest', ['-t', `name@sha256:${'0'.repeat(64)}`], 2, 'not a name'],
  ['a host without address', ['--add-host', 'name'], 2, '--add-host'],
  ['an address that is none', ['--add-host', 'name:1.2.3'], 2, '--add-host'],
  ['an address with a large number', ['--add-host', 'name:1.2.3.256'], 2, '--add-host'],
  ['an IPv6 address that is none', ['--add-host', 'name:1::2::3'], 2, '--add-host'],
])('%s', async (_, flags, exitCode, message) => {
  const root = context({ Dockerfile: 'FROM scratch\nLABEL a=b\n' });
  const result = await machine().wiac(['build', ...flags, root]);
  expect(result).toMatchObject({ exitCode, stderr: expect.stringContaining(message) });
});

test('names and hosts as they are', async () => {
  const root = context({ Dockerfile: 'FROM scratch\nLABEL a=b\n' });
  const { wiac } = machine();
  const names = ['name', 'a/b_c__d-e.f:Tag_1', 'localhost:5000/x', 'Host.example.com/x:1'];
  const hosts = ['a:1.2.3.4', 'b=1.2.3.4', 'c:::1', 'd:[fe80::1]', 'e=[::1]'];
  const flags = [
    ...names.flatMap((name) => ['-t', name]),
    ...hosts.flatMap((host) => ['--add-host', host]),
  ];
  expect(await wiac(['build', '-q', ...flags, root])).toMatchObject({ exitCode: 0, stderr: '' });
});

test('an image for Windows is planned, and refused before anything is built', async () => {
  const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\nRUN dir\n' });
  const { wiac } = machine();
  expect((await wiac(['plan', '--platform=windows/amd64', root])).exitCode).toBe(0);
  const { exitCode, stderr } = await wiac(['build', '--platform=windows/amd64', root]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 9,
    stderr: expect.stringMatching(/Dockerfile:1:1: images for windows\/amd64/),
  });
});
