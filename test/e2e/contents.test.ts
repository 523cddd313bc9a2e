/** `wiac sbom`, `provenance` and `diff`: of images of the store, of registries, layouts and archives. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Registry, startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, type Machine, tempDir } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

const status = (packages: Readonly<Record<string, string>>) =>
  Object.entries(packages)
    .map(
      ([name, version]) => `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\n`,
    )
    .join('\n');

/** A context whose image has packages and files. */
const newContext = (packages: Readonly<Record<string, string>>, file: string) =>
  context({
    Dockerfile: 'FROM scratch\nARG COLOUR=red\nCOPY var /var\nCOPY file /file\n',
    file,
    'var/lib/dpkg/status': status(packages),
  });

async function ok({ wiac }: Machine, ...args: string[]) {
  const result = await wiac(args);
  expect({ args, ...result }).toMatchObject({ args, exitCode: 0 });
  return result;
}

test('what an image carries, wherever it is; of one in the store the SBOM is made', async () => {
  const made = machine();
  const name = `${registry.host}/carries:1`;
  const root = newContext({ bash: '5.2-1', zlib: '1:1.3' }, 'x');
  const archive = join(tempDir(), 'image.tar');
  const layout = join(tempDir(), 'layout');
  const attested = ['--sbom', '--provenance=mode=max', '--build-arg', 'COLOUR=blue'];
  const outputs = ['-o', `type=oci,dest=${archive}`, '-o', `type=oci,tar=false,dest=${layout}`];
  await made.build(root, ...attested, ...outputs, '-t', name, '--push');
  const places = [`docker://${name}`, `oci-archive:${archive}`, `oci-layout://${layout}`];
  const table = 'NAME  VERSION  TYPE  LICENSE\nbash  5.2-1    deb   -\nzlib  1:1.3    deb   -\n';
  for (const place of places) {
    const shown = await ok(made, 'sbom', '--format', 'text', place);
    expect({ place, ...shown }).toMatchObject({ place, stdout: table, stderr: '' });
    const provenance = JSON.parse((await ok(made, 'provenance', place)).stdout);
    expect(provenance.buildDefinition.externalParameters.request.args).toMatchObject({
      'build-arg:COLOUR': 'blue',
    });
  }
  const text = (await ok(made, 'provenance', '--format', 'text', places[0] ?? '')).stdout;
  expect(text).toMatch(/^builder +urn:wiac$/m);
  expect(text).toMatch(/^argument build-arg:COLOUR +blue$/m);
  // As it was built it carries nothing.
  const own = await ok(made, 'sbom', name);
  expect(own.stderr).toContain('carries no SBOM: this one is made');
  expect(JSON.parse(own.stdout)).toMatchObject({ spdxVersion: 'SPDX-2.3', name });
  const none = await made.wiac(['provenance', name]);
  expect(none).toMatchObject({ exitCode: 10, stderr: expect.stringContaining('docker://') });
  // One that was pulled carries what its registry has.
  const other = machine();
  await ok(other, 'pull', name);
  expect((await ok(other, 'sbom', '--format', 'text', name)).stderr).toBe('');
  await ok(other, 'provenance', name);
  const platform = await other.wiac(['sbom', '--platform', 'linux/s390x', places[0] ?? '']);
  expect(platform).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('linux/s390x') });
});

test('one that carries nothing is not made one up for', async () => {
  const made = machine();
  await made.build(newContext({}, 'x'), '-t', 'plain');
  const layout = `oci-layout://${join(tempDir(), 'layout')}`;
  await ok(made, 'push', 'plain', layout);
  for (const command of ['sbom', 'provenance']) {
    const { exitCode, stderr, stdout } = await made.wiac([command, layout]);
    expect({ command, exitCode, stdout }).toEqual({ command, exitCode: 10, stdout: '' });
    expect(stderr).toMatch(/carries no .*\nhint: wiac build --/);
  }
});

test('two images: files, packages, and what --exit-code says', async () => {
  const made = machine();
  const one = newContext({ bash: '5.2-1', gone: '1' }, 'old');
  await made.build(one, '-t', 'one');
  await made.build(newContext({ bash: '5.2-10', new: '2' }, 'longer'), '-t', 'two');
  const layout = `oci-layout://${join(tempDir(), 'layout')}`;
  await made.build(one, '--sbom', '-o', `type=oci,tar=false,dest=${layout.slice(13)}`);
  const packages = await ok(made, 'diff', '--packages', 'one', 'two');
  expect(packages.stdout).toBe(
    [
      'CHANGE    PACKAGE  BEFORE  AFTER',
      'upgraded  bash     5.2-1   5.2-10',
      'removed   gone     1       -',
      'added     new      -       2',
      '',
    ].join('\n'),
  );
  // By the SBOM that the layout carries.
  expect((await ok(made, 'diff', '--packages', layout, 'two')).stdout).toBe(packages.stdout);
  const json = await ok(made, 'diff', '--packages', '--json', 'one', 'two');
  expect(JSON.parse(json.stdout)[1]).toEqual({
    ...{ change: 'removed', type: 'deb', name: 'gone', before: '1', after: null },
  });
  const files = await made.wiac(['diff', '--exit-code', 'one', 'two']);
  expect(files.exitCode).toBe(1);
  expect(files.stdout).toMatch(/^C {2}3 B -> 6 B +\/file +content$/m);
  expect(files.stdout).toMatch(/^C .*\/var\/lib\/dpkg\/status +content$/m);
  expect(await made.wiac(['diff', '--exit-code', 'one', layout])).toEqual({
    ...{ exitCode: 0, stdout: '', stderr: '' },
  });
});
