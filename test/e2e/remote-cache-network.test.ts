/** Two machines that see nothing of each other but a registry between them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Hub, Spoke } from '../support/netns.js';
import { withHub } from '../support/netns.js';
import { describeLayers } from '../support/tree.js';
import { context, tempDir, WIAC } from '../support/wiac.js';

const PORT = 5000;

interface InNamespace {
  readonly root: string;
  readonly build: (directory: string, flag: string) => Promise<{ stdout: string; stderr: string }>;
}

/** wiac in a network namespace, with a store of its own. */
function machineIn({ name, hubAddress }: Spoke): InNamespace {
  const root = join(tempDir(), 'store');
  const env = { WIAC_ROOT: root, WIAC_INSECURE_REGISTRIES: `${hubAddress}:${PORT}` };
  return {
    root,
    build: (directory, flag) => {
      const command = ['build', '--progress=plain', flag, directory];
      return execa('ip', ['netns', 'exec', name, process.execPath, WIAC, ...command], { env });
    },
  };
}

/** A registry in the hub. @returns how to stop it, and what it logged */
async function registryIn({
  name,
}: Hub): Promise<{ stop: () => Promise<void>; log: () => string }> {
  const root = tempDir();
  mkdirSync(join(root, 'data'));
  const [config, log] = [join(root, 'config.yml'), join(root, 'log')];
  writeFileSync(
    config,
    `version: 0.1\nlog: {accesslog: {disabled: false}}\nstorage: {filesystem: {rootdirectory: ${root}/data}}\nhttp: {addr: ":${PORT}"}\n`,
  );
  const registry = execa('ip', ['netns', 'exec', name, 'docker-registry', 'serve', config], {
    reject: false,
    stdout: { file: log },
    stderr: { file: log },
  });
  while (!existsSync(log) || !readFileSync(log, 'utf8').includes('listening on'))
    await new Promise((resume) => setTimeout(resume, 20));
  return {
    stop: async () => {
      registry.kill();
      await registry;
    },
    log: () => readFileSync(log, 'utf8'),
  };
}

test('what one machine built the other one does not run', async () => {
  await withHub(async (hub) => {
    const [left, right] = [await hub.add(), await hub.add()];
    const registry = await registryIn(hub);
    try {
      const [a, b] = [machineIn(left), machineIn(right)];
      const root = context({
        Dockerfile: [
          'FROM scratch AS build',
          'COPY bin /bin',
          'RUN echo made > /made; date > /when',
          'FROM scratch',
          'COPY --from=build /made /when /',
          'COPY bin /bin',
          'RUN cat /when > /then',
          '',
        ].join('\n'),
      });
      const reference = ({ hubAddress }: Spoke) => `${hubAddress}:${PORT}/cache:main`;
      const to = `--cache-to=type=registry,ref=${reference(left)},mode=max`;
      const made = await a.build(root, to);
      expect(made.stderr).toContain('1 step cached, 4 run');
      const before = registry.log().length;
      const { stdout, stderr } = await b.build(root, `--cache-from=${reference(right)}`);
      expect(stderr).toContain('5 steps cached, 0 run');
      expect(await describeLayers(stdout)).toEqual(await describeLayers(made.stdout));
      // Entries and three layers: the stage that was copied from stayed where it is.
      const fetched = registry
        .log()
        .slice(before)
        .match(/"GET \/v2\/cache\/blobs\/[^"]*" 200/g);
      expect(fetched).toHaveLength(4);
      expect(readdirSync(join(b.root, 'layers'))).toHaveLength(3);
      // They really are apart.
      const route = ['-n', left.name, 'route', 'get', right.hubAddress];
      expect((await execa('ip', route, { reject: false })).stderr).toContain('unreachable');
    } finally {
      await registry.stop();
    }
  });
  expect((await execa('ip', ['netns', 'list'])).stdout).not.toContain(`wiac-test-${process.pid}-`);
});
