/** examples/cluster: what it starts does what its README says, nothing of it is left, and its files are valid. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import { context, dockerfile, machine, printed, tempDir, WIAC } from '../support/wiac.js';

const EXAMPLE = 'examples/cluster';

/** Network devices and namespaces of the example. */
async function left(): Promise<string> {
  const { stdout: namespaces } = await execa('ip', ['netns', 'list']);
  const { stdout: devices } = await execa('ip', ['-o', 'link']);
  return `${namespaces}\n${devices}`
    .split('\n')
    .filter((line) => /\bwiac[0-9]/.test(line))
    .join('\n');
}

test('one command starts it, the commands that it prints work, and Ctrl-C ends all of it', async () => {
  expect(readFileSync(`${EXAMPLE}/README.md`, 'utf8')).toContain('\nexamples/cluster/start.sh\n');
  // Its path may be long: bash says what it was started with.
  const cluster = spawn(join(EXAMPLE, 'start.sh'), {
    env: { ...process.env, WIAC },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resume) => cluster.on('exit', resume));
  let said = '';
  cluster.stdout.on('data', (text) => {
    said += text;
  });
  try {
    await printed(cluster.stdout, 'wiac workers --queue');
    const [environment = '', build = '', workers = ''] = said.split('\n').slice(-4);
    const [name = '', registry = ''] = environment.trim().replace('export ', '').split('=');
    const arguments_ = (line: string) => line.trim().split(' ').slice(1);
    const path = context({
      Dockerfile: dockerfile('RUN cat /proc/net/route | wc -l > /a && echo seen'),
    });
    const one = machine();
    const options = { env: { [name]: registry } };
    const flags = arguments_(build).filter((word) => word !== 'PATH');
    const { exitCode, stderr } = await one.wiac([...flags, '--progress=plain', path], options);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toMatch(/on worker[123]\n/);
    const { stdout } = await one.wiac(arguments_(workers), options);
    expect(stdout.match(/^worker[123] .*$/gm)).toHaveLength(3);
  } finally {
    cluster.kill('SIGINT');
    expect(await ended).toBe(0);
  }
  expect(await left()).toBe('');
});

test("systemd takes the worker's unit", async () => {
  const unit = readFileSync(`${EXAMPLE}/systemd/wiac-worker.service`, 'utf8');
  const path = join(tempDir(), 'wiac-worker.service');
  writeFileSync(path, unit.replaceAll('/usr/bin/wiac', WIAC));
  const { exitCode, stderr } = await execa('systemd-analyze', ['verify', '--man=no', path], {
    reject: false,
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(unit).toContain('ExecStart=/usr/bin/wiac worker ');
});

const MANIFESTS = readdirSync(`${EXAMPLE}/kubernetes`).flatMap((file) =>
  parseAllDocuments(readFileSync(`${EXAMPLE}/kubernetes/${file}`, 'utf8')).map((document) => {
    const manifest = document.toJS() as { readonly apiVersion: string; readonly kind: string };
    return [`${file}: ${manifest.kind}`, manifest] as const;
  }),
);

test.each(MANIFESTS)('Kubernetes takes %s', async (_name, manifest) => {
  const { apiVersion, kind } = manifest;
  const { [kind]: Model } = (await import(`kubernetes-models/${apiVersion}`)) as Record<
    string,
    new (
      manifest: unknown,
    ) => { validate(): void }
  >;
  if (!Model) throw new Error(`${apiVersion} has no ${kind}`);
  new Model(manifest).validate();
  // What is of another type is refused.
  expect(() => new Model({ ...manifest, metadata: 'text' }).validate()).toThrow();
});

/** The command of every container. */
function commands(value: unknown): string[][] {
  if (Array.isArray(value)) return value.flatMap(commands);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'command' ? [inner as string[]] : commands(inner),
  );
}

test.each(MANIFESTS.flatMap(([name, manifest]) => commands(manifest).map((all) => [name, all])))(
  'wiac takes the command of %s',
  async (_name, command) => {
    const [program, ...words] = command as string[];
    expect(program).toBe('wiac');
    const path = context({ Dockerfile: dockerfile('RUN true') });
    // Kubernetes puts the pod's name there; the repository is nobody's.
    const given = words.map((word) =>
      word === '$(NAME)' ? 'pod' : word.replace(/^https:.*/, path),
    );
    const { stderr } = await machine().wiac(given, {
      env: { WIAC_QUEUE: 'redis://127.0.0.1:1/0' },
    });
    expect(stderr).toContain('the queue redis://127.0.0.1:1/0');
  },
);
