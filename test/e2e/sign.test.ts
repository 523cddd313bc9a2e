/** `wiac sign` and `wiac verify-image` with a real registry, and in layouts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newPair, type Pair } from '../support/cosign.js';
import { type Registry, startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, type Machine, type Result, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const pair = newPair();
const other = newPair('ed25519');
let registry: Registry;
let made: Machine;
let count = 0;
/** An image of its own for each test. */
let image: string;
let digest: string;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());
beforeEach(async () => {
  made = machine();
  count += 1;
  image = `${registry.host}/group/app${count}`;
  await made.build(context({ Dockerfile: `FROM scratch\nENV N=${count}\n` }), '-t', 'app');
  digest = (await made.wiac(['push', 'app', `${image}:1`])).stdout.trim();
});

/** Files with the two keys of a pair. */
function files({ privatePem, publicPem }: Pair): { key: string; pub: string } {
  const directory = tempDir();
  const [key, pub] = [join(directory, 'cosign.key'), join(directory, 'cosign.pub')];
  writeFileSync(key, privatePem);
  writeFileSync(pub, publicPem);
  return { key, pub };
}

async function ok(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const result = await made.wiac(args, { env });
  expect({ args, ...result }).toMatchObject({ args, exitCode: 0 });
  return result;
}

test('what is signed and what is verified are printed; others say why not, with 15', async () => {
  const { key, pub } = files(pair);
  const { stdout } = await ok(['sign', `${image}:1`, '--key', 'env://KEY', '-a', 'by=ci'], {
    KEY: readFileSync(key, 'utf8'),
  });
  expect(stdout).toBe(`${image}@${digest}\n`);
  const verified = await ok(['verify-image', '--key', pub, '-a', 'by=ci', `${image}:1`]);
  expect(JSON.parse(verified.stdout)).toEqual([
    {
      critical: {
        identity: { 'docker-reference': image },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: { by: 'ci' },
    },
  ]);
  expect(verified.stderr).toBe(`wiac: ${image}@${digest} has a valid signature, as ${image}\n`);
  const refused = await made.wiac(['verify-image', '--key', files(other).pub, `${image}:1`]);
  expect(refused).toMatchObject({ exitCode: 15, stdout: '' });
  expect(refused.stderr).toMatch(/has no valid signature: .*another key made it\nhint: /);
  const wrong = await made.wiac(['verify-image', '--key', key, `${image}:1`]);
  expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('private key') });
  const kms = await made.wiac(['sign', '--key', 'awskms://x', `${image}:1`]);
  expect(kms).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cosign public-key') });
  const bare = await made.wiac(['sign', '--key', key, '-a', 'x', `${image}:1`]);
  expect(bare).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('-a KEY=VALUE') });
});

test('in an OCI layout; its image needs no name for it', async () => {
  const { key, pub } = files(pair);
  const layout = `oci-layout://${join(tempDir(), 'layout')}`;
  await ok(['push', 'app', layout]);
  for (const mode of ['legacy', 'oci-1-1']) {
    const flags = ['--key', key, '-a', `mode=${mode}`, '--registry-referrers-mode', mode];
    expect((await ok(['sign', ...flags, layout])).stdout).toBe(`${layout}@${digest}\n`);
    await ok(['verify-image', '--key', pub, '-a', `mode=${mode}`, layout]);
  }
  const archive = await made.wiac(['sign', '--key', key, 'oci-archive:x.tar']);
  expect(archive).toMatchObject({ exitCode: 9, stderr: expect.stringContaining('no place for') });
});
